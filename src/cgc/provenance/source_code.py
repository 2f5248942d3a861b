"""Which source files an artefact is made by: a step's module and all that it imports of ours."""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[1]

# What passes settings, files and choices along, but computes nothing. It is left out, with what
# only it imports: a new key or a new model in the registry changes no result that there is.
GLUE = {
    "data.batches",
    "data.prepare",
    "devices",
    "errors",
    "files",
    "models",
    "models.registry",
    "models.weights",
    "paths",
    "train.progress",
    "train.run",
}
GLUE_PACKAGES = {"config", "provenance"}


def code_hashes(modules: Iterable[str]) -> dict[str, str]:
    """Return the hash of every source file that `modules` are made of, by its path in the package.

    Args:
        modules: names within the package, e.g. "data.digits".
    """
    found: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found and not _is_glue(module):
            found.add(module)
            waiting.extend(_imports(module))
    return {str(_file(m).relative_to(SOURCE)): _hash(_file(m)) for m in sorted(found)}


def _is_glue(module: str) -> bool:
    return module in GLUE or module.split(".")[0] in GLUE_PACKAGES


def _file(module: str) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _imports(module: str) -> tuple[str, ...]:
    """Return the modules of this package that a module imports, wherever in the file."""
    names: list[str] = []
    for node in ast.walk(ast.parse(_file(module).read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("cgc."):
            names.append(str(node.module).removeprefix("cgc."))
    return tuple(names)


@cache
def _hash(path: Path) -> str:
    content = path.read_bytes().replace(b"\r\n", b"\n")
    return hashlib.sha256(content).hexdigest()
