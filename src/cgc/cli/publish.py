"""The steps that make figures, tables and the report in results/ from the artefacts of one preset.

Each takes the publication file, which holds that preset (see `cgc.provenance`).
"""

from pathlib import Path
from typing import Annotated

import typer

from cgc.cli.completion import notebook_names, table_names
from cgc.config import Config
from cgc.errors import UserError
from cgc.files import atomic_write
from cgc.paths import NOTEBOOKS, RESULTS
from cgc.provenance import Artefact, artefact_of, read_publication
from cgc.provenance.publication import origin, publish_record

FIG1 = "fig1_gate_matrix"
Publication = Annotated[Path, typer.Argument(help="which preset; `cgc spec publication` writes it")]


def plot_gate_matrix(publication: Publication) -> None:
    """Draw Fig. 1, the gate matrix: PDF, PNG, and its numbers as CSV.

    Example: cgc plot-gate-matrix $(cgc spec publication)
    """
    config = read_publication(publication)
    files, source = draw_gate_matrix(config, RESULTS)
    publish_record(config, FIG1, files, [source])


def draw_gate_matrix(config: Config, folder: Path) -> tuple[list[Path], Artefact]:
    """Write Fig. 1 and its numbers into a folder; return the files, and what they are made from."""
    from cgc.gates.measured import load_measured
    from cgc.report.figures import FIGURES
    from cgc.report.figures.gate_matrix import (
        corrected_share_and_cdnv,
        gate_matrix_caption,
        gate_matrix_figure,
        in_words,
        write_matrix_csv,
    )
    from cgc.report.style import FigureMetadata, save_figure

    source = artefact_of("measure_gates", config.gates.run, config.results_name)
    measured = load_measured(source.folder / "gate_distances.safetensors")
    distances, classes = measured.distances, measured.classes
    caption = gate_matrix_caption(
        preset=config.name,
        network=f"{config.gates.run} ({config.description})",
        layer=measured.layer,
        counts=distances.counts,
    )
    caption = f"Reference results. {caption}" if config.is_reference else caption
    corrected_share, cdnv = corrected_share_and_cdnv(distances)
    figure = gate_matrix_figure(
        distances.difference,
        classes,
        share=distances.share,
        corrected_share=corrected_share,
        caption=caption,
    )
    metadata = FigureMetadata(FIGURES[FIG1].title, config.name, origin(config, [source]))
    files = [*save_figure(figure, folder / FIG1, metadata), folder / f"{FIG1}.csv"]
    write_matrix_csv(folder / f"{FIG1}.csv", distances, classes)
    print(
        f"Fig. 1 (preset {config.name}, layer {measured.layer}): inter > intra in "
        f"{100 * distances.share:.2f} % of {len(classes) * (len(classes) - 1)} ordered class "
        f"pairs; corrected {in_words(corrected_share, percent=True)}, CDNV {in_words(cdnv)}"
    )
    return files, source


def make_table(
    publication: Publication,
    name: Annotated[
        str,
        typer.Argument(
            help="of the table, e.g. table_video, or claims", autocompletion=table_names
        ),
    ],
) -> None:
    """Make one table of the supplement, or the claims: CSV, Markdown, LaTeX.

    Example: cgc make-table $(cgc spec publication) table_video
    """
    from cgc.report.tables import TABLES, write_published

    if name not in TABLES:
        raise UserError(f"there is no table {name}: choose one of {', '.join(TABLES)}")
    config = read_publication(publication)
    files = write_published(name, config, RESULTS)
    publish_record(config, name, files, TABLES[name].shown(config))


def render_notebook(
    publication: Publication,
    name: Annotated[
        str,
        typer.Argument(help="of the notebook, e.g. gate_shares", autocompletion=notebook_names),
    ],
) -> None:
    """Run a notebook: its figure as PDF and PNG, itself as a page that opens offline.

    Example: cgc render-notebook $(cgc spec publication) gate_shares
    """
    from cgc.report.figures import FIGURES, notebooks_of
    from cgc.report.render_notebook import notebook_page, run_notebook

    config, stem = read_publication(publication), f"fig_{name}"
    if name not in notebooks_of(config):
        known = ", ".join(notebooks_of(config))
        raise UserError(
            f"preset {config.results_name} has no notebook {name}: choose one of {known}"
        )
    about, page = FIGURES[stem], RESULTS / "notebooks" / f"{name}.html"
    run = run_notebook(NOTEBOOKS / f"{name}.py", publication=str(publication))
    with atomic_write(page) as temporary:
        temporary.write_text(notebook_page(run, about.title), encoding="utf-8")
    figures = [RESULTS / f"{stem}{suffix}" for suffix in (".pdf", ".png")]
    publish_record(config, stem, [*figures, page], about.shown(config))


def make_report(publication: Publication) -> None:
    """Make results/report.html: claims, figures, tables and runs in one file that opens offline.

    Example: cgc make-report $(cgc spec publication)
    """
    from cgc.report.page.render import render_report, shown

    config = read_publication(publication)
    path = RESULTS / "report.html"
    with atomic_write(path) as temporary:
        temporary.write_text(render_report(config), encoding="utf-8")
    publish_record(config, "report", [path], shown(config))
    print(f"{path} (preset {config.results_name}, {path.stat().st_size / 1e6:.1f} MB)")


ALL = (plot_gate_matrix, make_table, render_notebook, make_report)
