"""The data of a preset: prepared, there as a source, or missing, and what each missing one blocks.

Nothing about this is written down: what is blocked follows from the configuration, from which
artefacts are valid, and from what every figure and table is made of.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cgc import provenance
from cgc.config import Config
from cgc.data.sources import Source, look_for
from cgc.doctor.findings import Finding
from cgc.errors import UserError
from cgc.provenance import Artefact
from cgc.report.targets import targets


@dataclass(frozen=True)
class Missing:
    """What waits for one data set.

    Attributes:
        runs: that cannot be trained.
        published: figures and tables that cannot be made.
    """

    runs: list[str]
    published: list[str]

    def named(self) -> tuple[str, ...]:
        """Return settings with the number of their runs, then figures and tables."""
        settings = [run.split("/")[0] for run in self.runs]
        counted = [f"{name} ({_runs(settings.count(name))})" for name in dict.fromkeys(settings)]
        return (*counted, *self.published)


class Needs:
    """Which data sets must still be prepared for each artefact of a preset; none for a valid one.

    Raises:
        UserError: a provenance file is damaged.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        self._stale = set(provenance.stale(config))
        self._of: dict[str, set[str]] = {}
        for made in provenance.artefacts(config):  # upstream first
            self._of[str(made)] = self._datasets_for(made)

    def _datasets_for(self, made: Artefact) -> set[str]:
        if str(made) not in self._stale:
            return set()
        if made.stage == "prepare_data":
            return {made.key}
        upstream = provenance.recipe(made.stage, made.key, self.config)["upstream"]
        return set[str]().union(*(self._of[name] for name in upstream))

    def waiting_for(self, dataset: str) -> Missing:
        """Return what cannot be made without a data set that is not prepared."""
        waiting = [name.split(":", 1) for name, needed in self._of.items() if dataset in needed]
        published = [
            name
            for name, sources in targets(self.config).items()
            if any(dataset in self._of[str(source)] for source in sources)
        ]
        return Missing([key for stage, key in waiting if stage == "train_model"], published)

    def datasets(self) -> list[str]:
        """Return the data sets that the preset's runs use."""
        names = [name.split(":", 1) for name in self._of]
        return [key for stage, key in names if stage == "prepare_data"]

    def to_prepare(self, dataset: str) -> bool:
        """Tell whether a data set must be prepared, so that its source is needed."""
        return f"prepare_data:{dataset}" in self._stale


def data(config: Config) -> Iterator[Finding]:
    """Look at every data set that the runs of a preset use."""
    needs = Needs(config)
    for name in needs.datasets():
        yield _dataset(name, needs)


def _dataset(name: str, needs: Needs) -> Finding:
    config = needs.config
    if not needs.to_prepare(name):
        folder = provenance.artefact("prepare_data", name, config.label).folder
        return Finding("data", name, f"prepared in {folder}")
    source = _look(name, config)
    where = f" at {source.path}" if source.path else ""
    waiting = needs.waiting_for(name)
    if not source.remedy:
        return Finding("data", name, f"not prepared yet; {source.found}{where}")
    if not waiting.named():  # all that was made from it is there
        return Finding("data", name, f"{source.found}{where}", "note", "not needed: all is made")
    return Finding("data", name, f"{source.found}{where}", "blocks", source.remedy, waiting.named())


def _look(name: str, config: Config) -> Source:
    """Look for the source of a data set; what cannot be read is as good as missing."""
    try:
        return look_for(config.datasets[name], Path(config.data_root))
    except OSError as error:
        path = Path(error.filename or config.data_root)
        return Source(path, f"not readable ({error.strerror})", "make it readable")


def summary(config: Config) -> Finding:
    """Say in one line what a preset lacks."""
    needs = Needs(config)
    found = [_dataset(name, needs) for name in needs.datasets()]
    missing = [each for each in found if each.state == "blocks"]
    if not missing:
        return Finding("other presets", config.label, "its data is there")
    told = [f"{each.name} {each.found} -> blocks {_short(needs, each)}" for each in missing]
    remedy = "; ".join(each.remedy for each in missing)
    blocks = tuple(dict.fromkeys(name for each in missing for name in each.blocks))
    return Finding("other presets", config.label, "; ".join(told), "note", remedy, blocks)


def _short(needs: Needs, missing: Finding) -> str:
    waiting = needs.waiting_for(missing.name)
    return ", ".join([_runs(len(waiting.runs)), *waiting.published])


def _runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def unreadable(name: str, error: UserError) -> Finding:
    """Return the finding for a preset file that is not valid."""
    return Finding("other presets", name, str(error), "note", f"correct {name}")
