"""The command `cgc`, also as `python -m cgc`."""

import sys


def main() -> None:
    """Run the command line; where its packages are missing, say in one line how to install them."""
    try:
        from cgc.cli import main as run

        run()
    except KeyboardInterrupt:  # while packages are imported; `cgc.cli` handles the rest
        print("cgc: interrupted", file=sys.stderr)
        sys.exit(130)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("cgc"):
            raise
        sys.exit(
            f"cgc: the command line needs the extra `artifact` ({error.name} is not installed): "
            "type `pip install '.[artifact]'` in the checkout"
        )


if __name__ == "__main__":
    main()
