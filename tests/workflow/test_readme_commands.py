"""Every Snakemake command of README and docs plans jobs: with `--dry-run`, in a fresh checkout
without data or results, where everything must be made.

Commands with the same configuration share a dry run of all their targets.
"""

from argparse import ArgumentParser, Namespace
from collections import defaultdict
from functools import cache

import pytest

from helpers.checkout import Checkout
from helpers.documents import PAGES, ROOT, Command, blocks, commands, inline_codes

Options = tuple[str, ...]


def parsed(command: Command) -> Namespace:
    """Parse a command as Snakemake does, without importing it: tests/test_readme.py does that."""
    parser = ArgumentParser()
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--cores")
    for option in ("--configfile", "--config", "--resources"):
        parser.add_argument(option, nargs="+", default=[])
    return parser.parse_known_args(command.words[1:])[0]


def targets_by_options() -> dict[Options, set[str]]:
    """The targets of all commands with targets, by the options that change the plan."""
    targets: dict[Options, set[str]] = defaultdict(set)
    for arguments in (parsed(command) for command in commands() if command.words[0] == "snakemake"):
        if arguments.targets:
            presets = ["--configfile", *arguments.configfile] if arguments.configfile else []
            settings = ["--config", *arguments.config] if arguments.config else []
            targets[(*presets, *settings)] |= set(arguments.targets)
    return targets


def published_files() -> set[str]:
    """The figures, tables and pages in results/ that README and docs name."""
    ends = (".pdf", ".png", ".csv", ".html")
    names = {code for page in PAGES for code in inline_codes(page)}
    return {n for n in names if n.startswith("results/") and n.endswith(ends) and "<" not in n}


@pytest.fixture(scope="module")
def empty_checkout(tmp_path_factory):
    """A checkout without data, with the configuration files that the pages describe."""
    checkout = Checkout(tmp_path_factory.mktemp("checkout"))
    for block in blocks("yaml"):
        name, _, content = block.text.partition("\n")
        (checkout.folder / name.removeprefix("# ")).write_text(content)
    return checkout


@pytest.fixture(scope="module")
def plan(empty_checkout):
    """How many jobs of each rule Snakemake plans for some arguments, cached."""
    return cache(empty_checkout.planned)


@pytest.mark.parametrize(
    ("options", "targets"),
    [
        pytest.param(
            options,
            sorted(targets),
            id=" ".join(options) or "tiny",
            marks=pytest.mark.slow if len(options) > 2 else [],  # overrides of a preset
        )
        for options, targets in targets_by_options().items()
    ],
)
def test_commands_plan_jobs(plan, options, targets):
    if not options:
        targets = sorted({*targets, *published_files()})
    assert plan(*targets, *options)["train_model"] > 0


def test_added_variant_plans_its_rows_and_no_others(plan):
    planned = plan("results/table_cifar10_ablation.csv", "--configfile", "more_variants.yaml")
    assert planned["train_model"] == 3 * 3  # plain, cgc and the new one; 3 seeds


def test_cgc_status_tells_the_state_of_every_artefact(empty_checkout):
    output = empty_checkout.succeed("cgc", "status", "--all")
    assert "train_model:imagenet_default/cgc/seed0" in output


def test_every_preset_stands_in_the_readme():
    presets = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("config/presets/*")}
    assert presets <= set(inline_codes(ROOT / "README.md"))
