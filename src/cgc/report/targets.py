"""Everything that is published for a preset, and the artefacts that each item needs."""

from cgc.config import Config
from cgc.provenance import Artefact
from cgc.report.figures import FIGURES, figures_of
from cgc.report.tables import TABLES, tables_of


def targets(config: Config) -> dict[str, list[Artefact]]:
    """Return the artefacts that each figure, each table and the report needs, by name."""
    figures = {name: FIGURES[name].sources(config) for name in figures_of(config)}
    tables = {name: TABLES[name].sources(config) for name in tables_of(config)}
    shown = {
        str(artefact): artefact for sources in (figures | tables).values() for artefact in sources
    }
    return figures | tables | {"report": list(shown.values())}
