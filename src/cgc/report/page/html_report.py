"""The report: claims, figures, tables, runs and readings of a preset in one file, `report.html`.

It opens offline and asks for nothing: pictures are embedded, there is no script, and the page's own
security policy forbids every request. `report.html.jinja` has its structure and its style.
"""

from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from cgc.config import Config, load_config
from cgc.provenance import Artefact
from cgc.provenance.job import environment
from cgc.provenance.publication import origin
from cgc.provenance.recipes import config_hash
from cgc.report.figures import FIGURES, figures_of
from cgc.report.findings import SETTINGS
from cgc.report.page.contents import ReportTable, read_figure, read_report_table, report_table
from cgc.report.page.run_list import list_environments, list_runs
from cgc.report.style import FigureMetadata
from cgc.report.table_files import NO_VALUE
from cgc.report.tables import TABLES, tables_of

TEMPLATE = Path(__file__).with_name("report.html.jinja")
READINGS_FILE = Path("docs/readings.md")
DEFAULT_PRESET = "tiny"  # config/config.yaml itself
NARROWING = ("max_images", "max_epochs", "only_variants", "only_seeds")

# Around a table that may be wider than the page: to be scrolled with a finger or the keyboard.
SCROLLED = '<div class="scroll" role="region" aria-labelledby="{label}" tabindex="0">'

RUNS_CAPTION = (
    "Every run of the preset, those that were not made included. Top-1 is of one evaluation of "
    "the whole validation set; the checkpoint is told by the first 12 digits of its sha256."
)
ENVIRONMENTS_CAPTION = (
    "Machine and versions as each run recorded them, and those that made this page."
)


@dataclass(frozen=True)
class Verdict:
    """One of the verdicts of `cgc.report.findings`, as readers see it.

    Attributes:
        name: the verdict.
        sign: tells it from the others without colour.
        meaning: what it says, in a sentence.
    """

    name: str
    sign: str
    meaning: str

    @property
    def id(self) -> str:
        """Its name as a part of identifiers."""
        return self.name.replace(" ", "-")


_VERDICTS = (
    Verdict("reproduced", "\N{CHECK MARK}", "a run of the paper preset shows it"),
    Verdict("not reproduced", "\N{BALLOT X}", "a run of the paper preset shows otherwise"),
    Verdict("not comparable", "\N{ALMOST EQUAL TO}", "a run of another scale than the paper's"),
    Verdict("not run", "\N{EM DASH}", "nothing was run that decides"),
    Verdict("implemented", "\N{CHECK MARK}", "code and settings do what the supplement says"),
    Verdict("not implemented", "\N{BALLOT X}", "code or settings do otherwise"),
)
VERDICTS = {verdict.name: verdict for verdict in _VERDICTS}


def render_report(config: Config) -> str:
    """Return the report of a preset as HTML.

    Args:
        config: the preset; its figures and tables lie in results/ with their records.

    Raises:
        UserError: a figure or table is missing, or is not of this preset.
    """
    tables = {name: read_report_table(name, config) for name in tables_of(config)}
    claims = tables.pop("claims")
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
        claims=claims,
        counts=Counter(claims.cells["Verdict"]),
        verdicts=VERDICTS,
        groups=_groups(claims.cells),
        no_value=NO_VALUE,
        figures=[read_figure(name, config) for name in figures_of(config)],
        tables=list(tables.values()),
        runs=report_table("runs", "Runs", RUNS_CAPTION, list_runs(config)),
        environments=_environments(config),
        readings=readings_html(READINGS_FILE.read_text(encoding="utf-8")),
        commands=Commands(config),
    )


def _groups(claims: pd.DataFrame) -> dict[str, list[dict[Hashable, str]]]:
    """Return the claims that runs decide, and apart from them those on code and settings."""
    on_settings = claims["Verdict"].isin(SETTINGS)
    groups = {"Results": claims[~on_settings], "Settings": claims[on_settings]}
    return {name: frame.to_dict("records") for name, frame in groups.items()}


def _keywords(config: Config) -> str:
    """Return what the page's own metadata say, as those of a figure do."""
    return FigureMetadata("Report", config.label, origin(config, shown(config))).as_pdf()[
        "Keywords"
    ]


def shown(config: Config) -> list[Artefact]:
    """Return the artefacts whose numbers the report shows."""
    items = [FIGURES[name] for name in figures_of(config)] + [TABLES[n] for n in tables_of(config)]
    return [made for item in items for made in item.shown(config)]


def _environments(config: Config) -> ReportTable:
    frame = list_environments(config)
    return report_table("environments", "Environment", ENVIRONMENTS_CAPTION, frame)


class Commands:
    """What to type to make something of a preset again."""

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
        """Tell whether they say all settings, so that none was given in another way."""
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
