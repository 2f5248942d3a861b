"""Recipes: all that an artefact must be made by, and the fingerprint of it."""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from cgc.config import Config
from cgc.config.datasets import WHERE_DATA_LIES, preparing_module
from cgc.networks import package_versions, source_module
from cgc.provenance.artefacts import STAGES, parse_run
from cgc.provenance.source_code import code_hashes


def recipe(stage: str, key: str, config: Config) -> dict[str, Any]:
    """Return what the artefact must be made by: configuration, code, upstream and fingerprint."""
    needs, upstream = _ingredients(stage, key, config)
    content: dict[str, Any] = {
        "stage": stage,
        "key": key,
        "config": needs,
        "code": code_hashes(*_entries(stage, key, config)),
        "upstream": {f"{s}:{k}": recipe(s, k, config)["fingerprint"] for s, k in upstream},
    }
    return content | {"fingerprint": fingerprint(content)}


def fingerprint(content: Mapping[str, Any]) -> str:
    """Return the hash of a recipe, or of the recipe that a provenance file records."""
    parts = {part: content[part] for part in ("stage", "key", "config", "code", "upstream")}
    return _hash(parts)


def _entries(stage: str, key: str, config: Config) -> list[str]:
    """Return the modules that a stage enters, with those that it imports by a name in a table."""
    if stage == "prepare_data":
        return [STAGES[stage], preparing_module(config.datasets[key].kind)]
    model = config.settings[parse_run(key, config).setting].model
    return [STAGES[stage], source_module(model)]


def _ingredients(
    stage: str, key: str, config: Config
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """Return the configuration and the upstream artefacts that a stage depends on."""
    if stage == "prepare_data":
        dataset = config.datasets[key]
        needs = dataset.model_dump(mode="json", exclude=set(WHERE_DATA_LIES))
        return needs | {"max_images": config.max_images}, []

    run = parse_run(key, config)
    setting = config.settings[run.setting]
    data, trained = ("prepare_data", setting.dataset), ("train_model", key)
    clips = setting.clips.model_dump(mode="json") if setting.clips else None
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
            initial = config.initial_run(run)
            return needs, [data, ("train_model", str(initial))] if initial else [data]
        case "evaluate_model" | "record_gates":
            return evaluation, [trained, data]
        case "measure_all_gates":
            needs = evaluation | config.gates.model_dump(mode="json", exclude={"run"})
            return needs, [trained, data]
        case "measure_controls":
            needs = evaluation | config.gates.model_dump(mode="json", exclude={"run"})
            plain = config.plain_run()
            models = [trained, ("train_model", str(plain))] if plain else [trained]
            return needs, [*models, data]
        case "measure_gates":
            return {}, [("record_gates", key)]
    raise ValueError(f"stage must be one of {', '.join(STAGES)}: got {stage!r}")


def settings(config: Config) -> dict[str, Any]:
    """Return all settings that results depend on: not where and on what they are made."""
    return config.model_dump(mode="json", exclude={"execution", "data_root", "force"})


def config_hash(config: Config) -> str:
    """Return the sha256 of all settings that results depend on."""
    return _hash(settings(config))


def _hash(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
