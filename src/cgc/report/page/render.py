"""The report: claims, figures, tables, runs and readings of a preset in one file, `report.html`.

It opens offline: pictures are embedded, there is no script, and the page's own security policy
forbids every request. `report.html.jinja` has its structure, `report.css.jinja` its style.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import fields
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from cgc.config import Config, load_config
from cgc.errors import UserError
from cgc.provenance import Artefact
from cgc.provenance.job import environment
from cgc.provenance.publication import origin
from cgc.provenance.recipes import config_hash
from cgc.reference import read_reference
from cgc.reference.compare import LEVEL, Compared, compare, in_words
from cgc.report.cells import NO_VALUE
from cgc.report.claims.finding import SETTINGS, Verdict
from cgc.report.claims.share_meaning import ShareMeaning, meaning_of_share
from cgc.report.evidence import Evidence, Section
from cgc.report.figures import FIGURES, figures_of
from cgc.report.names import variant_name
from cgc.report.page.contents import ReportTable, read_figure, read_report_table, report_table
from cgc.report.page.runs import list_environments, list_runs
from cgc.report.rounding import MOST_DECIMALS, decimals_for
from cgc.report.style import FigureMetadata
from cgc.report.tables import TABLES, tables_of
from cgc.scores import NOT_RUN, frame_of

TEMPLATE = Path(__file__).with_name("report.html.jinja")
READINGS_FILE = Path("docs/readings.md")
DEFAULT_PRESET = "tiny"  # config/config.yaml itself
NARROWING = ("max_images", "max_epochs", "only_variants", "only_seeds")

# Around a table that may be wider than the page, to scroll it by touch or keyboard.
SCROLLED = '<div class="scroll" role="region" aria-labelledby="{label}" tabindex="0">'

RUNS_CAPTION = (
    "Every run of the preset, those that were not run included. Shipped: its records are those of "
    "results/reference. Top-1 is of one evaluation of the whole validation set; the checkpoint is "
    "identified by the first 12 digits of its sha256."
)
EVIDENCE_CAPTION = (
    "Modulated kernels of the last gated layer, and what they are compared with. Corrected: "
    "without the bias of few images per class. A small CDNV means separate classes."
)
EXPECTED_CAPTION = (
    f"Means over trainings. Allowed: the {LEVEL:.0%} interval of yours, from the spread of the "
    "reference's seeds; unknown where only one seed was trained."
)
ENVIRONMENTS_CAPTION = (
    "Machine and versions as each run recorded them, and those that made this page."
)


def render_report(config: Config) -> str:
    """Return the report of a preset as HTML.

    Args:
        config: the preset; its figures and tables are in results/ with their records.

    Raises:
        UserError: a figure or table is missing, or is not of this preset.
    """
    tables = {name: read_report_table(name, config) for name in tables_of(config)}
    claims = tables.pop("claims")
    first, *figures = [read_figure(name, config) for name in figures_of(config)]
    own = Evidence.of([config])
    templates = Environment(
        loader=FileSystemLoader(TEMPLATE.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template(TEMPLATE.name).render(
        config=config,
        made=environment(),
        keywords=_keywords(config),
        question=own.clusters.question,
        meaning=_meaning(config),
        evidence=_evidence_table(own.clusters),
        questions=_questions(own, Evidence.read()),
        claims=claims,
        counts=Counter(claims.cells["Verdict"]),
        verdicts={verdict.value: verdict for verdict in Verdict},
        groups=_groups(claims.cells),
        no_value=NO_VALUE,
        expected=_expected(config),
        fig1=first,
        figures=figures,
        tables=list(tables.values()),
        runs=report_table("runs", "Runs", RUNS_CAPTION, list_runs(config), labels=3),
        environments=_environments(config),
        readings=readings_html(READINGS_FILE.read_text(encoding="utf-8")),
        commands=Commands(config),
    )


def _meaning(config: Config) -> ShareMeaning | str:
    """Return what the controls say about the share, or why they say nothing."""
    try:
        return meaning_of_share(config)
    except UserError as error:
        return str(error)


def _evidence_table(clusters: Section) -> ReportTable | None:
    """Return the numbers behind the answer, without what all rows have in common."""
    if clusters.table is None:
        return None
    columns = ["representation", "run", "share_percent", "corrected_share_percent", "median_cdnv"]
    rows = clusters.table[columns].copy()
    rows.loc[rows["run"] == rows["run"].iloc[0], "run"] = None  # the analysed run, in most rows
    return report_table("evidence", "", EVIDENCE_CAPTION, rows, labels=2)


def _questions(own: Evidence, kept: Evidence) -> dict[str, dict[str, str]]:
    """Return the answers to each question by the runs behind them, those of the reference last.

    This preset's answer to the first question heads the page and is not repeated.
    """
    answers_of = {}
    for each in fields(Evidence):
        ours, theirs = (getattr(evidence, each.name) for evidence in (own, kept))
        answers = {
            f"Reference results. {name}": answer
            for name, answer in theirs.answers.items()
            if answer not in ours.answers.values()
        }
        if each.name != "clusters":
            answers = (ours.answers or {"This preset": f"{NOT_RUN}."}) | answers
        if each.name != "runs" and answers:
            answers_of[ours.question] = {name: a.replace("`", "") for name, a in answers.items()}
    return answers_of


def _expected(config: Config) -> ReportTable | str:
    """Return this preset's numbers next to those of its reference, or why there are none."""
    try:
        rows = compare(config, read_reference(config.preset).config)
    except UserError as error:
        return str(error)
    cells = frame_of([_compared_cells(row, config) for row in rows])
    return report_table("expected-numbers", "", EXPECTED_CAPTION, cells, labels=3)


def _compared_cells(row: Compared, config: Config) -> dict[str, str]:
    """Return a compared number, with as many digits as its allowed variation justifies."""
    decimals = MOST_DECIMALS if row.allowed is None else decimals_for(row.allowed)
    name = row.number.name
    return {
        "number": variant_name(config, name) if name in config.variants else name.replace("_", " "),
        "of": row.number.group,
        "quantity": in_words(row.number.quantity),
        "expected": f"{fmean(row.theirs):.{decimals}f}",
        "allowed": "unknown" if row.allowed is None else f"± {row.allowed:.{decimals}f}",
        "yours": f"{fmean(row.ours):.{decimals}f}" if row.ours else NOT_RUN,
        "verdict": row.verdict,
    }


def _groups(claims: pd.DataFrame) -> dict[str, list[dict[Hashable, str]]]:
    """Return the claims that runs decide and, separately, those on code and settings."""
    on_settings = claims["Verdict"].isin(SETTINGS)
    groups = {"Empirical claims": claims[~on_settings], "Settings": claims[on_settings]}
    return {name: frame.to_dict("records") for name, frame in groups.items()}


def _keywords(config: Config) -> str:
    """Return the keywords of the page's own metadata, as in a figure's."""
    return FigureMetadata("Report", config.results_name, origin(config, shown(config))).as_pdf()[
        "Keywords"
    ]


def shown(config: Config) -> list[Artefact]:
    """Return the artefacts whose numbers the report shows."""
    items = [FIGURES[name] for name in figures_of(config)] + [TABLES[n] for n in tables_of(config)]
    return [artefact for item in items for artefact in item.shown(config)]


def _environments(config: Config) -> ReportTable:
    frame = list_environments(config)
    return report_table("environments", "Environment", ENVIRONMENTS_CAPTION, frame)


class Commands:
    """The commands that remake the results of a preset."""

    def __init__(self, config: Config) -> None:
        narrowed = {key: getattr(config, key) for key in NARROWING}
        self._config = config
        self._narrowed = {key: value for key, value in narrowed.items() if value}
        path = Path(f"config/presets/{config.preset}.yaml")
        self._files = [] if config.preset == DEFAULT_PRESET else [path]

    def make(self, target: Path) -> str:
        """Return the command that makes a file of results/."""
        parts = ["snakemake", "--cores", "2", str(target)]
        if self._files:
            parts += ["--configfile", *map(str, self._files)]
        if self._narrowed:
            values = [f'"{key}={_as_yaml(value)}"' for key, value in self._narrowed.items()]
            parts += ["--config", *values]
        return " ".join(parts)

    def are_complete(self) -> bool:
        """Return whether they give all settings, with none given in another way."""
        if not all(path.exists() for path in self._files):
            return False
        said = load_config(self._files, self._narrowed)
        return config_hash(said) == config_hash(self._config)


def _as_yaml(value: Any) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)


def readings_html(text: str) -> Markup:
    """Return `docs/readings.md` as a part of the page: without its title, headings a level down."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    if tokens and tokens[0].tag == "h1":
        tokens = tokens[3:]
    shown, num_headings = [], 0
    for token in tokens:
        if token.type == "heading_open":
            num_headings += 1
            token.attrSet("id", f"readings-{num_headings}")
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{int(token.tag[1]) + 1}"
        elif token.type == "th_open":
            token.attrSet("scope", "col")
        elif token.type == "table_open":
            shown.append(_raw(SCROLLED.format(label=f"readings-{num_headings}")))
        shown.append(token)
        if token.type == "table_close":
            shown.append(_raw("</div>"))
    return Markup(parser.renderer.render(shown, parser.options, {}))  # the text's HTML is escaped


def _raw(html: str) -> Token:
    return Token("html_block", "", 0, content=html)
