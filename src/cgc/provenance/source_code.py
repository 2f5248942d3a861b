"""Which code of this package a step runs, and a hash of each of its files.

The code of a step is the import closure of its entry module: all of our modules that it imports,
directly or not, anywhere in a file. Packages' `__init__` count, since importing a submodule runs
them. So do modules named by a string, since a table may import by name. A closure may contain too
much, never too little: it does not distinguish the branches of a step.

`cgc.config` is part of it. A recipe holds the values of settings, but code derives from them what a
step uses: the options of a network (`Variant.model_options`), the processes that divide a batch
(`Train.num_processes`).

Hashes are of code, not of prose: comments, docstrings, blank lines and trailing space do not count.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cgc.errors import UserError

SOURCE = Path(__file__).parents[1]
PACKAGE = "cgc"

# Results do not depend on these, so no closure includes them; tests check each reason.
OUTSIDE = {
    "cgc",  # its `__init__` holds the version, which no step reads: a release changes no result
    "cgc.display",  # only prints what it is passed
    "cgc.provenance",  # gives a step paths and its recipe, which is fingerprinted by value
}

# A string, which is always kept, or the end of a line: space, a comment, and following lines with
# nothing else. Python's tokenizer takes ten times as long; tests compare the two.
_STRING_OR_REST = re.compile(
    r'''
    (
        """ (?: [^\\"] | \\. | "(?!"") )* """ | \'\'\' (?: [^\\'] | \\. | '(?!\'\') )* \'\'\'
        | " (?: [^\\"] | \\. )* " | ' (?: [^\\'] | \\. )* '
    )
    | [ \t]* (?: \#[^\n]* )? (?: \n | \Z ) (?: [ \t]* (?: \#[^\n]* )? \n )*
    ''',
    re.DOTALL | re.VERBOSE,
)
_NAMED = re.compile(rf"""["']({PACKAGE}(?:\.\w+)+)["']""")


class _File(NamedTuple):
    """The code and imports of a source file.

    Attributes:
        digest: sha256 of its code.
        imports: names that may be modules of ours.
    """

    digest: str
    imports: tuple[str, ...]


def code_hashes(*entries: str) -> dict[str, str]:
    """Return the hash of every file that some modules depend on, by its path in `SOURCE`.

    Other files of a package, such as templates, count with its `__init__`.

    Args:
        entries: full names of modules, such as `cgc.train.run`.

    Raises:
        ValueError: there is no such module.
        UserError: a file is not valid Python, as in the middle of an edit.
    """
    return dict(_code_hashes(entries, SOURCE))


def modules_below(package: str) -> list[str]:
    """Return all modules of a package of ours, by their full names."""
    files = SOURCE.joinpath(*package.split(".")[1:]).rglob("*.py")
    names = [(PACKAGE, *file.relative_to(SOURCE).with_suffix("").parts) for file in files]
    return sorted(".".join(name).removesuffix(".__init__") for name in names)


@cache
def _code_hashes(entries: tuple[str, ...], source: Path) -> dict[str, str]:
    hashes: dict[str, str] = {}
    for path in _closure(entries, source):
        hashes[path.relative_to(source).as_posix()] = _read(path, source).digest
        if path.name == "__init__.py":
            for other in path.parent.iterdir():
                if other.is_file() and other.suffix not in (".py", ".pyc"):
                    digest = hashlib.sha256(other.read_bytes()).hexdigest()
                    hashes[other.relative_to(source).as_posix()] = digest
    return dict(sorted(hashes.items()))


def _closure(entries: Iterable[str], source: Path) -> Iterator[Path]:
    for entry in entries:
        if _file(entry, source) is None:
            raise ValueError(f"there is no module {entry} below {source}")
    visited: set[str] = set()
    waiting = list(entries)
    while waiting:
        module = waiting.pop()
        if module in visited or _is_outside(module):
            continue
        visited.add(module)
        if path := _file(module, source):
            waiting += [module.rpartition(".")[0], *_read(path, source).imports]
            yield path


def _is_outside(module: str) -> bool:
    return module in OUTSIDE or module.startswith("cgc.provenance.")


@cache
def _file(module: str, source: Path) -> Path | None:
    """Return the file of a module of ours; None if the name is something else."""
    package, *names = module.split(".")
    path = source.joinpath(*names)
    files = (path / "__init__.py", path.with_name(f"{path.name}.py"))
    return next((f for f in files if f.is_file()), None) if package == PACKAGE else None


@cache
def _read(path: Path, source: Path) -> _File:
    text = path.read_text(encoding="utf-8")
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: {error.msg}; mend it first") from error
    package = (PACKAGE, *path.parent.relative_to(source).parts)
    code = code_of(text, tree)
    imports = {*_imports(tree, package), *_NAMED.findall(code)}
    return _File(hashlib.sha256(code.encode()).hexdigest(), tuple(sorted(imports)))


def _imports(tree: ast.Module, package: tuple[str, ...]) -> Iterator[str]:
    """Yield the names imported from our package, some of which may not be modules."""
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == PACKAGE)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            base = ".".join([*above, *filter(None, [node.module])])
            if base.split(".")[0] == PACKAGE:
                yield base
                yield from (f"{base}.{name.name}" for name in node.names)


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all statements below a node, skipping expressions, which would take long."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child
            yield from _statements(child)


def code_of(text: str, tree: ast.Module | None = None) -> str:
    """Return source text without comments, docstrings, blank lines and trailing space.

    Args:
        text: of a module, with `\\n` for line ends.
        tree: the result of `ast.parse`, if it exists already.
    """
    lines = text.split("\n")
    for node in reversed(list(_statements(tree or ast.parse(text)))):
        match node:
            case ast.Expr(ast.Constant(str()) as docstring):  # a string that nothing uses
                first, last = docstring.lineno - 1, (docstring.end_lineno or 0) - 1
                # column offsets count bytes
                before = lines[first].encode()[: docstring.col_offset].decode()
                after = lines[last].encode()[docstring.end_col_offset :].decode()
                lines[first : last + 1] = [before + after, *[""] * (last - first)]
    return _STRING_OR_REST.sub(lambda match: match[1] or "\n", "\n".join(lines)).strip("\n")
