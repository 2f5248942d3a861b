"""The figures and tables of the report, read back from results/.

Nothing is computed here, so the report says what the published files say.
"""

import base64
import csv
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from cgc.config import Config
from cgc.errors import UserError
from cgc.paths import RESULTS
from cgc.provenance import file_hash
from cgc.provenance.publication import config_hash, read_record
from cgc.report.cells import displayed, header, holds_numbers
from cgc.report.figures import FIGURES
from cgc.report.tables import TABLES

LARGEST_WIDTH = 1400  # pixels: twice those of a wide screen


@dataclass(frozen=True)
class PublishedFile:
    """One file in results/, with what its record says.

    Attributes:
        path: the file.
        commits: of the code that made the numbers.
        date: when it was published, YYYY-MM-DD.
    """

    path: Path
    commits: tuple[str, ...]
    date: str


@dataclass(frozen=True)
class ReportFigure:
    """A figure as the report shows it.

    Attributes:
        name: of its files in results/.
        title, caption, alt_text: see `cgc.report.figures.FigureInfo`.
        image: the picture as a data URI.
        size: its width and height, in pixels.
        source: its file.
    """

    name: str
    title: str
    caption: str
    alt_text: str
    image: str
    size: tuple[int, int]
    source: PublishedFile


@dataclass(frozen=True)
class ReportTable:
    """A table as the report shows it.

    Attributes:
        name: of its files in results/.
        title: a few words.
        caption: what it shows.
        cells: rounded, with headers in words.
        numeric: the columns that hold numbers.
        labels: number of leading columns that identify a row.
        source: its file.
    """

    name: str
    title: str
    caption: str
    cells: pd.DataFrame
    numeric: frozenset[str]
    labels: int
    source: PublishedFile | None = None


def published_file(name: str, suffix: str, config: Config) -> PublishedFile:
    """Find a file of a published figure or table.

    Raises:
        UserError: it is missing, is not what its record says, or was made with other settings.
    """
    path = RESULTS / f"{name}{suffix}"
    record = read_record(RESULTS / f"{name}.provenance.json")
    again = f"make it again with `snakemake --cores 1 --force {path}`"
    if record["config"] != config_hash(config):
        raise UserError(
            f"{path} is of preset {record['preset']} with other settings than the report's, "
            f"preset {config.results_name}: {again}"
        )
    if not path.exists():
        raise UserError(f"{path} is missing: {again}")
    if record["files"].get(path.as_posix()) != file_hash(path):
        raise UserError(f"{path} is not the file that its provenance records: {again}")
    behind = list(record["artefacts"].values()) or [record["made"]]
    commits = sorted({each["commit"] or "unknown" for each in behind})
    return PublishedFile(path, tuple(commits), record["made"]["date"][: len("2020-12-31")])


def read_figure(name: str, config: Config) -> ReportFigure:
    """Read a published figure.

    Raises:
        UserError: see `published_file`.
    """
    source, info = published_file(name, ".png", config), FIGURES[name]
    with Image.open(source.path) as file:
        caption = file.info.get("Description", info.caption)
    image, size = embedded_image(source.path)
    return ReportFigure(name, info.title, caption, info.alt_text, image, size, source)


def embedded_image(path: Path) -> tuple[str, tuple[int, int]]:
    """Return a picture as a data URI, on white and not too wide, with its width and height.

    Its caption, which the page has as text, is cropped. WebP keeps lines as sharp as PNG, and a
    matrix of 1,000 classes below 2 MB.
    """
    with Image.open(path) as file:
        height = round(file.height * float(file.info.get("Above", 1)))
        opened = file.convert("RGBA").crop((0, 0, file.width, height))
    picture = Image.new("RGBA", opened.size, "white")
    picture.alpha_composite(opened)
    picture.thumbnail((LARGEST_WIDTH, 2 * LARGEST_WIDTH), Image.Resampling.LANCZOS)
    content = BytesIO()
    picture.convert("RGB").save(content, "WEBP", quality=90, method=6)
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}", picture.size


def read_report_table(name: str, config: Config) -> ReportTable:
    """Read a published table.

    Raises:
        UserError: see `published_file`.
    """
    source, table = published_file(name, ".csv", config), TABLES[name]
    title = header(name.removeprefix("table_"))
    shown = report_table(name, title, table.caption, read_csv(source.path), table.layout.labels)
    if name == "claims":  # the page chooses its columns itself
        return replace(shown, source=source)
    return replace(shown, cells=shown.cells[table.layout.headers], source=source)


def report_table(
    name: str, title: str, caption: str, frame: pd.DataFrame, labels: int = 1
) -> ReportTable:
    """Return a frame as a table of the report; its first `labels` columns identify a row."""
    numeric = frozenset(header(str(column)) for column in frame if holds_numbers(frame[column]))
    return ReportTable(name, title, caption, displayed(frame), numeric, labels)


def read_csv(path: Path) -> pd.DataFrame:
    """Read a table's CSV; cells regain the types they were written with, `n/a` becomes None."""
    with path.open(newline="", encoding="utf-8") as file:
        columns, *rows = csv.reader(file)
    cells = [[_cell(text) for text in row] for row in rows]
    return pd.DataFrame(cells, columns=columns, dtype=object)


def _cell(text: str) -> Any:
    constants = {"n/a": None, "True": True, "False": False}
    if text in constants:
        return constants[text]
    for number in (int, float):
        with suppress(ValueError):  # then it is text
            return number(text)
    return text
