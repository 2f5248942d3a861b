"""Every figure and table that is published for a preset, and the artefacts that each needs."""

from cgc.config import Config
from cgc.provenance import Artefact, artefact
from cgc.report.tables import TABLES, tables_of


def targets(config: Config) -> dict[str, list[Artefact]]:
    """Return what must be made for each figure and table of a preset, by its name in results/."""
    gates = artefact("measure_gates", config.gates.run, config.label)
    tables = {name: TABLES[name].sources(config) for name in tables_of(config)}
    return {"fig1_gate_matrix": [gates], **tables}
