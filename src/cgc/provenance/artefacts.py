"""The artefacts of a preset: what each stage makes, and where it lies."""

from dataclasses import dataclass
from pathlib import Path

from cgc import paths
from cgc.config import Config, Run
from cgc.errors import UserError
from cgc.provenance.records import file_hash

# The stages, upstream first. A stage runs `run_<stage>` of its module, and the module with all that
# it imports is the code of a recipe.
STAGES = {
    "prepare_data": "cgc.data.prepare",
    "train_model": "cgc.train.run",
    "evaluate_model": "cgc.evaluate",
    "record_gates": "cgc.gates.run",
    "measure_gates": "cgc.gates.run",
    "measure_all_gates": "cgc.gates.run",
    "measure_controls": "cgc.gates.run",
}

# Stages that are requested together, by their name in Snakemake and DVC.
TARGETS = {
    "data": ("prepare_data",),
    "checkpoints": ("train_model",),
    "evaluations": ("evaluate_model",),
    "gates": ("record_gates", "measure_gates", "measure_all_gates", "measure_controls"),
}

# These describe a training, durations included; nothing is computed from them, so retraining to
# the same weights makes nothing stale.
_RECORDS = {"history.csv", "run.json"}


@dataclass(frozen=True)
class Artefact:
    """Files that one job makes together, named `stage:key`.

    Attributes:
        stage: that makes it.
        key: a data set, or setting/variant/seedN.
        folder: of its files.
        files: their names.
        provenance: the file that records what it was made from.
    """

    stage: str
    key: str
    folder: Path
    files: tuple[str, ...]
    provenance: Path

    def __str__(self) -> str:
        return f"{self.stage}:{self.key}"

    def paths(self) -> list[Path]:
        """Return all its files, the provenance last."""
        return [*map(self.path, self.files), self.provenance]

    def path(self, name: str) -> Path:
        """Return the path of one of its files."""
        return self.folder / name

    def hashes(self) -> dict[str, str]:
        """Return the current sha256 of each file."""
        return {name: file_hash(self.path(name)) for name in self.files}

    def used_files(self) -> list[str]:
        """Return the files that other steps compute from."""
        return [name for name in self.files if name not in _RECORDS]


def artefact_of(stage: str, key: str, preset: str) -> Artefact:
    """Return the artefact that `stage` makes for a data set or a run of a preset.

    Raises:
        UserError: there is no such stage.
    """
    if stage not in STAGES:
        raise UserError(f"there is no stage {stage!r}: choose one of {', '.join(STAGES)}")
    if stage == "prepare_data":
        data = paths.data_dir(preset, key)
        files: tuple[str, ...] = ("train.arrow", "validation.arrow", "dataset.json")
        return Artefact(stage, key, data, files, data / "provenance.json")
    checkpoints, gates = paths.checkpoint_dir(preset, key), paths.gates_dir(preset, key)
    folder, files, provenance = {
        "train_model": (
            checkpoints,
            ("model.safetensors", "snapshots.safetensors", "history.csv", "run.json"),
            checkpoints / "provenance.json",
        ),
        "evaluate_model": (
            paths.metrics_dir(preset, key),
            ("metrics.json",),
            paths.evaluation_dir(preset, key) / "metrics.provenance.json",
        ),
        "record_gates": (gates, ("gates.safetensors",), gates / "gates.provenance.json"),
        "measure_gates": (
            gates,
            ("gate_distances.safetensors",),
            gates / "gate_distances.provenance.json",
        ),
        "measure_all_gates": (
            gates,
            ("gate_shares.json",),
            gates / "gate_shares.provenance.json",
        ),
        "measure_controls": (
            gates,
            ("gate_controls.json", "gate_snapshots.json"),
            gates / "gate_controls.provenance.json",
        ),
    }[stage]
    return Artefact(stage, key, folder, files, provenance)


def artefacts(config: Config) -> list[Artefact]:
    """Return every artefact of a preset, upstream first."""
    runs = [str(run) for run in config.runs()]
    initial = [str(run) for run in map(config.initial_run, config.runs()) if run]
    plain = [str(run) for run in [config.plain_run()] if run]
    trained = list(dict.fromkeys([*initial, *runs, config.gates.run, *plain]))
    used = dict.fromkeys(config.settings[run.split("/")[0]].dataset for run in trained)
    keys = {
        "prepare_data": list(used),
        "train_model": trained,
        "evaluate_model": runs,
        "record_gates": [config.gates.run],
        "measure_gates": [config.gates.run],
        "measure_all_gates": [str(run) for run in config.gate_runs(config.runs())],
        "measure_controls": [config.gates.run],
    }
    return [artefact_of(stage, key, config.results_name) for stage in STAGES for key in keys[stage]]


def parse_run(key: str, config: Config) -> Run:
    """Return the run named setting/variant/seedN.

    Raises:
        UserError: the preset has no such run.
    """
    known = {str(run): run for run in config.all_runs()}
    if key not in known:
        raise UserError(f"{config.results_name} has no run {key}; there are {', '.join(known)}")
    return known[key]
