"""Helpers for the notebooks, which read and show results and train nothing.

A missing result is replaced by a sentence with the command that makes it.
"""

import os
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pandas as pd
from IPython.display import HTML, Image, Markdown
from matplotlib.figure import Figure

from cgc.config import Config, load_config
from cgc.config.load import DEFAULT_FILE
from cgc.errors import UserError
from cgc.paths import RESULTS
from cgc.provenance import read_publication
from cgc.provenance.publication import origin
from cgc.report.cells import displayed
from cgc.report.figures import FIGURES
from cgc.report.style import FigureMetadata, print_style, save_figure

SCREEN_DPI = 200
SCREEN_SCALE = 140  # pixels per inch of paper


class Notebook:
    """A running notebook; creating it makes the repository's root the working directory.

    Args:
        name: of the notebook's file and its figure.
        preset: a preset file, relative to the root, to show the results of; None for the tiny one.
        publication: what the workflow publishes, instead of `preset`.

    Raises:
        UserError: the working directory is outside the repository, or a file is wrong.
    """

    def __init__(
        self, name: str, preset: str | None = None, publication: str | None = None
    ) -> None:
        os.chdir(find_root(Path.cwd()))
        self.stem = f"fig_{name}"
        self.publishes = publication is not None
        self.config: Config = (
            read_publication(Path(publication))
            if publication
            else load_config([preset] if preset else [])
        )

    def publish(self, draw: Callable[[Config], Figure]) -> Image | Markdown:
        """Return the notebook's figure as a picture; in the workflow, also write it to results/.

        Args:
            draw: makes the figure.

        Raises:
            UserError: in the workflow, a result is missing.
        """
        about = FIGURES[self.stem]
        if not self.publishes:
            return self.show(draw, about.alt_text)
        figure, source = draw(self.config), origin(self.config, about.shown(self.config))
        metadata = FigureMetadata(about.title, self.config.results_name, source)
        save_figure(figure, RESULTS / self.stem, metadata)
        return _picture(figure, about.alt_text)

    def show(self, draw: Callable[[Config], Figure], alt_text: str) -> Image | Markdown:
        """Return a figure of the preset's results as a picture.

        Args:
            draw: makes the figure.
            alt_text: description for readers who cannot see it.
        """
        try:
            return _picture(draw(self.config), alt_text)
        except UserError as error:
            return _sentence(error)

    def say(self, make: Callable[[Config], str]) -> Markdown:
        """Return sentences about the preset's results.

        Args:
            make: writes the sentences.
        """
        try:
            return Markdown(_escaped(make(self.config)))
        except UserError as error:
            return _sentence(error)

    def table(self, make: Callable[[Config], pd.DataFrame]) -> HTML | Markdown:
        """Return a table of the preset's results, rounded, with headers in words.

        Args:
            make: makes the table.
        """
        try:
            return HTML(displayed(make(self.config)).to_html(index=False, border=0))
        except UserError as error:
            return _sentence(error)


def find_root(folder: Path) -> Path:
    """Return the closest folder, from `folder` upwards, that holds the configuration.

    Raises:
        UserError: none does.
    """
    for root in (folder, *folder.parents):
        if (root / DEFAULT_FILE).exists():
            return root
    raise UserError(
        f"{DEFAULT_FILE} is neither in {folder} nor above it: open the notebook in its repository"
    )


def _picture(figure: Figure, alt_text: str) -> Image:
    picture = BytesIO()
    with print_style():
        figure.savefig(picture, format="png", dpi=SCREEN_DPI)
    width = round(SCREEN_SCALE * figure.get_figwidth())
    return Image(picture.getvalue(), width=width, alt=alt_text)


def _escaped(text: str) -> str:
    """Escape Markdown: names of layers and runs contain underscores."""
    return re.sub(r"([\\`*_<])", r"\\\1", text)


def _sentence(error: UserError) -> Markdown:
    message = str(error)
    return Markdown(f"**{message[0].upper()}{message[1:]}.**")
