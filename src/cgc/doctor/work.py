"""What is left to make for a preset: artefacts, trainings, and what they cost.

None of this is stored: it follows from the configuration, from which artefacts are valid, and from
what every figure and table is made from.
"""

from collections import Counter
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from cgc import provenance
from cgc.config import Config
from cgc.errors import UserError
from cgc.provenance import parse_run
from cgc.report.targets import targets

BYTES_PER_PARAMETER = 4  # of a checkpoint; during a run, weights and momentum are in work/

ALL = "all"  # the target that includes every other


class Work:
    """What is left to make for a preset.

    Raises:
        UserError: a provenance file is damaged.
    """

    def __init__(self, config: Config) -> None:
        self.config = config
        stale = provenance.stale(config)
        self._behind: dict[str, set[str]] = {}  # what must be made for an artefact, itself included
        for artefact in provenance.artefacts(config):  # upstream first
            name, upstream = str(artefact), provenance.recipe(artefact.stage, artefact.key, config)
            behind = [self._behind[source] for source in upstream["upstream"]]
            self._behind[name] = {name}.union(*behind) if name in stale else set()

    @cached_property
    def by_target(self) -> dict[str, set[str]]:
        """The artefacts that must be made for each figure, table and the report."""
        published = {
            name: set[str]().union(*(self._behind[str(source)] for source in sources))
            for name, sources in targets(self.config).items()
        }
        return published | {ALL: set[str]().union(*self._behind.values())}

    def of_target(self, target: str) -> set[str]:
        """Return the artefacts that must be made for a target such as `results/report.html`.

        Raises:
            UserError: the preset has no such target.
        """
        name = Path(target).name.split(".")[0]
        if name not in self.by_target:
            known = ", ".join(self.by_target)
            raise UserError(
                f"{self.config.results_name} has no target {target}: choose from {known}"
            )
        return self.by_target[name]

    def datasets(self) -> dict[str, bool]:
        """Return the data sets of the preset, and whether each must be prepared."""
        names = [name.split(":", 1) for name in self._behind]
        keys = [key for stage, key in names if stage == "prepare_data"]
        return {key: bool(self._behind[f"prepare_data:{key}"]) for key in keys}

    def blocked_by(self, dataset: str) -> list[str]:
        """Return the trainings, counted by setting, and the targets that wait for a data set."""
        source = f"prepare_data:{dataset}"
        waiting = [name for name, behind in self._behind.items() if source in behind]
        counts = Counter(run.split("/")[0] for run in trainings(waiting))
        runs = [f"{setting} ({n} run{'s' * (n > 1)})" for setting, n in counts.items()]
        targets = [name for name, behind in self.by_target.items() if source in behind]
        return [*runs, *(name for name in targets if name != ALL)]

    def hours(self, names: Iterable[str]) -> float | None:
        """Return the device-hours of the trainings among artefacts; None if unknown."""
        if self.config.max_epochs or self.config.max_images:
            return None
        total = 0.0
        for key in trainings(names):
            run = parse_run(key, self.config)
            hours = self.config.execution.run_hours.get(run.setting, {})
            conv = self.config.variants[run.variant].conv
            if conv not in hours:
                return None
            total += hours[conv]
        return total

    def weight_bytes(self, names: Iterable[str], num_parameters: dict[str, int]) -> int:
        """Return the size of the checkpoints of the trainings among artefacts.

        Args:
            names: of artefacts.
            num_parameters: of each setting's network.
        """
        settings = [run.split("/")[0] for run in trainings(names)]
        return BYTES_PER_PARAMETER * sum(num_parameters[setting] for setting in settings)

    def networks(self) -> dict[str, dict[str, Any]]:
        """Return the options of `build_model` for each setting that has trainings left.

        A variant counts as its setting's gated network: gates are a thousandth of the parameters.
        """
        names = dict.fromkeys(run.split("/")[0] for run in trainings(self.by_target["all"]))
        return {name: self._network(name) for name in names}

    def _network(self, name: str) -> dict[str, Any]:
        setting = self.config.settings[name]
        num_classes = getattr(self.config.datasets[setting.dataset], "num_classes", None) or 10
        options = setting.clips.model_options() if setting.clips else {}
        return {"name": setting.model, "num_classes": num_classes, "conv": "cgc", **options}


def trainings(names: Iterable[str]) -> list[str]:
    """Return the runs whose training is among artefacts."""
    return [name.split(":", 1)[1] for name in names if name.startswith("train_model:")]
