"""What figures and tables have in common: which artefacts they need, and which they show."""

from collections.abc import Iterable

from cgc.config import Config, Run
from cgc.provenance import Artefact, artefact_of
from cgc.scores import valid_artefact


class Published:
    """Something in results/ that is made from the artefacts of a preset.

    Attributes:
        settings: prefix of its settings; None for all settings and artefacts of the analysed run.
        stages: those whose artefacts of a run it shows.
        shows_seeds: whether it also shows the gates of the analysed run's other seeds.
    """

    settings: str | None
    stages: tuple[str, ...]
    shows_seeds: bool

    def sources(self, config: Config) -> list[Artefact]:
        """Return the artefacts that must be made for it, except those of runs left out."""
        return self._artefacts(config, config.runs())

    def shown(self, config: Config) -> list[Artefact]:
        """Return the valid artefacts whose numbers it shows, including those of runs left out."""
        artefacts = self._artefacts(config, config.all_runs())
        return [source for source in artefacts if valid_artefact(source.stage, source.key, config)]

    def concerns(self, config: Config) -> bool:
        """Return whether the preset has one of its settings."""
        return any(setting.startswith(self.settings or "") for setting in config.settings)

    def _artefacts(self, config: Config, runs: Iterable[Run]) -> list[Artefact]:
        if self.settings is None:
            keys = {stage: [config.gates.run] for stage in self.stages}
            if self.shows_seeds:
                keys["measure_all_gates"] = [str(run) for run in config.gate_runs(runs)]
        else:
            chosen = [str(run) for run in runs if run.setting.startswith(self.settings)]
            keys = dict.fromkeys(self.stages, chosen)
        return [
            artefact_of(stage, key, config.results_name)
            for stage in self.stages
            for key in keys[stage]
        ]


def preset_sentences(config: Config) -> str:
    """Name the preset behind the numbers, and say so if it is not the paper's."""
    preset = "Reference results of preset" if config.is_reference else "Preset"
    sentence = f"{preset} {config.name}: {config.description}."
    return sentence + ("" if config.name == "paper" else " This is not the paper's setting.")
