"""What every expensive artefact was made from, and whether it would be made the same way today.

A *recipe* is the part of the configuration that an artefact depends on, the source files that make
it, and the fingerprints of the recipes upstream; its *fingerprint* is the hash of all that. An
artefact lies beside a provenance file with the recipe it was made by and the hashes of its files
and inputs. An artefact whose recorded fingerprint is today's is *valid*, wherever its bytes come
from (made here, pulled, copied) and whatever their time of change; the workflow treats it as given.
Any other is *stale* or *missing*, and gets a *spec*: the recipe as a file that the job reads.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgc import paths
from cgc.changes import changes
from cgc.config import Config, Run, check_config
from cgc.errors import UserError
from cgc.files import json_text, read_json, whole_file, write_json
from cgc.source_code import code_hashes

STAGES = (
    "prepare_data",
    "train_model",
    "evaluate_model",
    "record_gates",
    "measure_gates",
    "measure_all_gates",
)

# What is asked for together, by the name that Snakemake and DVC have for it.
TARGETS = {
    "data": ("prepare_data",),
    "checkpoints": ("train_model",),
    "evaluations": ("evaluate_model",),
    "gates": tuple(stage for stage in STAGES if stage.endswith("_gates")),
}

# These tell of a training, durations included; nothing is computed from them, so that the same
# weights, trained again, make nothing stale.
_RECORDS = {"history.csv", "run.json"}

# The module of each kind of network, by the part of its name before the first underscore or digit.
_MODELS = {"cifar": "models.cifar_resnet", "resnet": "models.imagenet_resnet", "p": "models.p3d"}


@dataclass(frozen=True)
class Artefact:
    """Files that one job makes together, named `stage:key`."""

    stage: str
    key: str  # a data set, or setting/variant/seedN
    folder: Path
    files: tuple[str, ...]
    provenance: Path

    def __str__(self) -> str:
        return f"{self.stage}:{self.key}"

    def paths(self) -> list[Path]:
        """Return all its files, the provenance last."""
        return [*(self.folder / name for name in self.files), self.provenance]

    def hashes(self) -> dict[str, str]:
        """Return the sha256 of each file as it is now."""
        return {name: file_hash(self.folder / name) for name in self.files}

    def used_files(self) -> list[str]:
        """Return the files that other steps compute from."""
        return [name for name in self.files if name not in _RECORDS]


def artefact(stage: str, key: str, preset: str) -> Artefact:
    """Return the artefact that `stage` makes for a data set or a run of a preset."""
    if stage == "prepare_data":
        folder = paths.data_dir(preset, key)
        files = ("train.arrow", "validation.arrow", "dataset.json")
        return Artefact(stage, key, folder, files, folder / "provenance.json")
    by_stage: dict[str, tuple[tuple[str, ...], str]] = {
        "train_model": (("model.safetensors", "history.csv", "run.json"), "provenance.json"),
        "evaluate_model": (("metrics.json",), "metrics.provenance.json"),
        "record_gates": (("gates.safetensors",), "gates.provenance.json"),
        "measure_gates": (("gate_distances.safetensors",), "gate_distances.provenance.json"),
        "measure_all_gates": (("gate_shares.json",), "gate_shares.provenance.json"),
    }
    run_files, provenance = by_stage[stage]
    folder = paths.run_dir(preset, key)
    return Artefact(stage, key, folder, run_files, folder / provenance)


def artefacts(config: Config) -> list[Artefact]:
    """Return every artefact of a preset, upstream first."""
    runs = [str(run) for run in config.runs()]
    initial = [str(run) for run in map(config.initial_run, config.runs()) if run]
    trained = list(dict.fromkeys([*initial, *runs, config.gates.run]))
    used = dict.fromkeys(config.settings[run.split("/")[0]].dataset for run in trained)
    keys = {
        "prepare_data": list(used),
        "train_model": trained,
        "evaluate_model": runs,
        "record_gates": [config.gates.run],
        "measure_gates": [config.gates.run],
        "measure_all_gates": [config.gates.run],
    }
    return [artefact(stage, key, config.label) for stage in STAGES for key in keys[stage]]


def recipe(stage: str, key: str, config: Config) -> dict[str, Any]:
    """Return what the artefact must be made by: configuration, code, upstream and fingerprint."""
    needs, code, upstream = _ingredients(stage, key, config)
    content: dict[str, Any] = {
        "stage": stage,
        "key": key,
        "config": needs,
        "code": code_hashes(code),
        "upstream": {f"{s}:{k}": recipe(s, k, config)["fingerprint"] for s, k in upstream},
    }
    return content | {"fingerprint": fingerprint(content)}


def fingerprint(content: Mapping[str, Any]) -> str:
    """Return the hash of a recipe, or of the recipe that a provenance file records."""
    parts = {part: content[part] for part in ("stage", "key", "config", "code", "upstream")}
    return _hash(json.dumps(parts, sort_keys=True).encode())


def _ingredients(
    stage: str, key: str, config: Config
) -> tuple[dict[str, Any], list[str], list[tuple[str, str]]]:
    """Return the configuration, the modules and the upstream artefacts that a stage depends on."""
    if stage == "prepare_data":
        dataset = config.datasets[key]
        where_it_lies = {"source", "download"}
        needs = dataset.model_dump(mode="json", exclude=where_it_lies)
        return needs | {"max_images": config.max_images}, [f"data.{dataset.kind}"], []

    run = parse_run(key, config)
    setting = config.settings[run.setting]
    data, trained = ("prepare_data", setting.dataset), ("train_model", key)
    clips = setting.clips.model_dump(mode="json") if setting.clips else None
    loading = ["data.clip_loading"] if clips else ["data.loading", "data.transforms"]
    evaluation = {"evaluate": setting.evaluate.model_dump(mode="json"), "clips": clips}
    match stage:
        case "train_model":
            needs = {
                "model": setting.model,
                "variant": config.variants[run.variant].model_dump(mode="json"),
                "train": config.train_settings(run).model_dump(mode="json"),
                "clips": clips,
                "seed": run.seed,
            }
            model = _MODELS[re.split(r"[_\d]", setting.model)[0]]
            initial = config.initial_run(run)
            upstream = [data, ("train_model", str(initial))] if initial else [data]
            return needs, ["layers", "train.loop", model, *loading], upstream
        case "evaluate_model":
            return evaluation, ["evaluate", *loading], [trained, data]
        case "record_gates":
            return evaluation, ["gates.record", *loading], [trained, data]
        case "measure_all_gates":
            needs = evaluation | config.gates.model_dump(mode="json", exclude={"run"})
            return needs, ["gates.shares", "gates.record", *loading], [trained, data]
        case "measure_gates":
            return {}, ["gates.distances"], [("record_gates", key)]
    raise ValueError(f"stage must be one of {STAGES}: got {stage!r}")


def parse_run(key: str, config: Config) -> Run:
    """Return the run named setting/variant/seedN.

    Raises:
        UserError: the preset has no such run.
    """
    known = {str(run): run for run in config.all_runs()}
    if key not in known:
        raise UserError(f"{config.label} has no run {key}; there are {', '.join(known)}")
    return known[key]


def why_stale(made: Artefact, config: Config) -> list[str]:
    """Say why an artefact must be made again; nothing when it is valid.

    Times of change play no part, and bytes are not read: `cgc verify` does that.

    Raises:
        UserError: a provenance file is damaged.
    """
    recorded = read_provenance(made.provenance)
    wanted = recipe(made.stage, made.key, config)
    missing = [name for name in made.files if not (made.folder / name).exists()]
    if missing:
        is_known = recorded is not None and recorded["fingerprint"] == wanted["fingerprint"]
        told = " (made before: `dvc pull` may have it)" if is_known else ""
        return [f"missing {', '.join(missing)}{told}"]
    if recorded is None:
        return [f"missing {made.provenance.name}"]
    return [*changes(recorded, wanted), *other_inputs(recorded)]


def other_inputs(recorded: Mapping[str, Any]) -> list[str]:
    """Say which inputs an artefact was made from that are not those which are recorded now."""
    reasons = []
    for upstream, used in recorded["inputs"].items():
        stage, key = upstream.split(":", 1)
        source = artefact(stage, key, recorded["preset"])
        now = read_provenance(source.provenance)
        names = source.used_files()
        if now and [now["files"].get(n) for n in names] != [used.get(n) for n in names]:
            reasons.append(f"made from other bytes of {upstream}")
    return reasons


def stale(config: Config) -> dict[str, list[str]]:
    """Return every artefact that must be made again, with the reasons; forced ones included."""
    reasons: dict[str, list[str]] = {}
    for made in artefacts(config):
        why = why_stale(made, config)
        _, _, upstream = _ingredients(made.stage, made.key, config)
        forced = {made.stage, str(made)} & set(config.force)
        if forced or any("forced" in reasons.get(f"{s}:{k}", ()) for s, k in upstream):
            why.append("forced")
        if why:
            reasons[str(made)] = why
    return reasons


def spec_path(config: Config, stage: str, key: str) -> Path:
    """Return where the spec of an artefact is written; another recipe has another spec."""
    fingerprint = recipe(stage, key, config)["fingerprint"]
    return paths.SPECS / config.label / stage / f"{key}.{fingerprint[:12]}.json"


def write_spec(config: Config, stage: str, key: str, because: list[str]) -> Path:
    """Write all that a job is told; newer than the artefact, so that it triggers its rule."""
    path = spec_path(config, stage, key)
    told: dict[str, Any] = {
        "recipe": recipe(stage, key, config),
        "preset": config.label,
        "execution": config.execution.model_dump(mode="json"),
        "because": because,
    }
    if stage == "prepare_data":
        told["dataset"] = config.datasets[key].model_dump(mode="json")
        told["data_root"] = config.data_root
    write_json(path, told)
    return path


def write_publication(config: Config) -> Path:
    """Write what figures and tables are made from: configuration, and recipes of all artefacts.

    Another content has another name, so that a figure is drawn anew when anything changed, and
    two commands with different presets do not disturb each other.
    """
    content = json_text(
        {
            "preset": config.label,
            "config": config.model_dump(mode="json", exclude={"execution", "data_root", "force"}),
            "recipes": {
                str(made): recipe(made.stage, made.key, config)["fingerprint"]
                for made in artefacts(config)
            },
        }
    )
    path = paths.SPECS / config.label / f"publication.{_hash(content.encode())[:12]}.json"
    if not path.exists():
        with whole_file(path) as temporary:
            temporary.write_text(content)
    return path


def read_publication(path: Path) -> Config:
    """Return the configuration of the preset that results/ is made from."""
    content = read_json(path, made_by="snakemake, which writes it for the chosen preset")
    return check_config(content["config"])


PROVENANCE_KEYS = {
    "stage", "key", "config", "code", "upstream", "fingerprint", "preset", "files", "inputs",
    "made",
}  # fmt: skip
OPTIONAL_KEYS = {"accepted_from"}  # see cgc.acceptance


def read_provenance(path: Path) -> dict[str, Any] | None:
    """Read a provenance file; None when there is none.

    Raises:
        UserError: it is not JSON, or lacks a field, or has one that we do not know.
    """
    if not path.exists():
        return None
    content = read_json(path, made_by="its step")
    keys = set(content) if isinstance(content, dict) else set()
    if wrong := (keys ^ PROVENANCE_KEYS) - OPTIONAL_KEYS:
        raise UserError(
            f"{path} is not a provenance file of this version (fields {', '.join(sorted(wrong))}): "
            "restore it from git or dvc, or delete it to make the artefact again"
        )
    return content


def file_hash(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
