"""Recipes: all that determines an artefact, and the files that pass them to steps.

A *spec* is the recipe of one artefact and whatever else its step needs; a *publication* holds the
recipes of all artefacts, the settings and the code that figures and tables are made from.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from cgc import paths
from cgc.config import Config, check_config
from cgc.config.datasets import WHERE_DATA_LIES, preparing_module
from cgc.errors import UserError
from cgc.files import atomic_write, json_text, read_json, write_json
from cgc.networks import package_versions, source_module
from cgc.provenance.artefacts import STAGES, artefacts, parse_run
from cgc.provenance.source_code import code_hashes, modules_below


def recipe(stage: str, key: str, config: Config) -> dict[str, Any]:
    """Return the recipe of an artefact: configuration, code, upstream and fingerprint."""
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
    """Return the entry module of a stage, and what that imports by a name in a table."""
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
    """Return all settings that results depend on: not where and how they are computed."""
    return config.model_dump(mode="json", exclude={"execution", "data_root", "force"})


def config_hash(config: Config) -> str:
    """Return the sha256 of all settings that results depend on."""
    return _hash(settings(config))


def _hash(content: Mapping[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


# The code of figures and tables. Notebooks are not modules; they import from the report.
PUBLISHES, REPORT = "cgc.cli.publish", "cgc.report"


def spec_path(config: Config, stage: str, key: str) -> Path:
    """Return the path of an artefact's spec; another recipe has another path."""
    fingerprint = recipe(stage, key, config)["fingerprint"]
    return paths.SPECS / config.results_name / stage / f"{key}.{fingerprint[:12]}.json"


def write_spec(config: Config, stage: str, key: str, because: list[str]) -> Path:
    """Write a step's spec; the file is newer than the artefact, so it triggers the rule."""
    path = spec_path(config, stage, key)
    content: dict[str, Any] = {
        "recipe": recipe(stage, key, config),
        "preset": config.results_name,
        "execution": config.execution.model_dump(mode="json"),
        "because": because,
    }
    if stage == "train_model":
        # for validation after every epoch; the weights do not depend on it
        setting = config.settings[parse_run(key, config).setting]
        content["evaluate"] = setting.evaluate.model_dump(mode="json")
    if stage == "prepare_data":
        content["dataset"] = config.datasets[key].model_dump(mode="json")
        content["data_root"] = config.data_root
    write_json(path, content)
    return path


def write_publication(config: Config) -> Path:
    """Write what figures and tables are made from: settings, code, and recipes of all artefacts.

    The name depends on the content, so a figure is redrawn when anything changes, and two
    commands with different presets do not disturb each other.
    """
    content = json_text(
        {
            "preset": config.results_name,
            "config": settings(config),
            "code": code_hashes(PUBLISHES, *modules_below(REPORT)),
            "recipes": {
                str(artefact): recipe(artefact.stage, artefact.key, config)["fingerprint"]
                for artefact in artefacts(config)
            },
        }
    )
    name = f"publication.{sha256(content.encode()).hexdigest()[:12]}.json"
    path = paths.SPECS / config.results_name / name
    if not path.exists():
        with atomic_write(path) as temporary:
            temporary.write_text(content, encoding="utf-8")
    return path


def read_publication(path: Path) -> Config:
    """Return the configuration of the preset that results/ is made from."""
    content = read_json(path, made_by="snakemake, which writes it for the chosen preset")
    if not isinstance(content, dict) or not isinstance(content.get("config"), dict):
        raise UserError(f"{path} is not a publication: write one with `cgc spec publication`")
    return check_config(content["config"])
