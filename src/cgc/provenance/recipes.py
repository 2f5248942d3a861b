"""Recipes: all that an artefact must be made by, and the fingerprint of it."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from cgc.config import Config
from cgc.config.datasets import WHERE_DATA_LIES
from cgc.models.names import package_versions, source_module
from cgc.provenance.artefacts import STAGES, parse_run
from cgc.provenance.source_code import code_hashes


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
    return _hash(parts)


def _ingredients(
    stage: str, key: str, config: Config
) -> tuple[dict[str, Any], list[str], list[tuple[str, str]]]:
    """Return the configuration, the modules and the upstream artefacts that a stage depends on."""
    if stage == "prepare_data":
        dataset = config.datasets[key]
        needs = dataset.model_dump(mode="json", exclude=set(WHERE_DATA_LIES))
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
            if packages := package_versions(setting.model):
                needs["packages"] = packages
            model = source_module(setting.model)
            initial = config.initial_run(run)
            upstream = [data, ("train_model", str(initial))] if initial else [data]
            held = ["data.held"] if setting.train.augment.crop == "padded" else []
            return needs, ["layers", "train.loop", model, *loading, *held], upstream
        case "evaluate_model":
            return evaluation, ["evaluate", *loading], [trained, data]
        case "record_gates":
            return evaluation, ["gates.record", *loading], [trained, data]
        case "measure_all_gates":
            needs = evaluation | config.gates.model_dump(mode="json", exclude={"run"})
            return needs, ["gates.shares", "gates.record", *loading], [trained, data]
        case "measure_controls":
            needs = evaluation | config.gates.model_dump(mode="json", exclude={"run"})
            plain = config.plain_run()
            models = [trained, ("train_model", str(plain))] if plain else [trained]
            return needs, ["gates.controls", *loading], [*models, data]
        case "measure_gates":
            return {}, ["gates.distances"], [("record_gates", key)]
    raise ValueError(f"stage must be one of {STAGES}: got {stage!r}")


def settings(config: Config) -> dict[str, Any]:
    """Return all settings that results depend on: not where and on what they are made."""
    return config.model_dump(mode="json", exclude={"execution", "data_root", "force"})


def config_hash(config: Config) -> str:
    """Return the sha256 of all settings that results depend on."""
    return _hash(settings(config))


def _hash(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
