"""What figures and tables have in common: which artefacts they need, and which they show."""

from collections.abc import Iterable

from cgc.config import Config, Run
from cgc.provenance import Artefact, artefact_of
from cgc.report.scores import valid_artefact


class Published:
    """Something in results/ that is made from the artefacts of a preset.

    Attributes:
        settings: prefix of the settings it is about; None for the analysed run and for all.
        stages: make the artefacts of a run that it shows.
        shows_seeds: whether it shows the gates of other seeds beside those of the analysed run.
    """

    settings: str | None
    stages: tuple[str, ...]
    shows_seeds: bool

    def sources(self, config: Config) -> list[Artefact]:
        """Return the artefacts that must be made for it, without runs left out."""
        return self._artefacts(config, config.runs())

    def shown(self, config: Config) -> list[Artefact]:
        """Return the artefacts whose numbers it shows, those of valid runs left out as well."""
        artefacts = self._artefacts(config, config.all_runs())
        return [source for source in artefacts if valid_artefact(source.stage, source.key, config)]

    def concerns(self, config: Config) -> bool:
        """Tell whether the preset has a setting that it is about."""
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
    """Say which preset the numbers are of, and that it is not the paper's unless it is."""
    preset = "Reference results of preset" if config.is_reference else "Preset"
    sentence = f"{preset} {config.name}: {config.description}."
    return sentence + ("" if config.name == "paper" else " This is not the paper's setting.")
