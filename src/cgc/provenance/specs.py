"""What jobs are told: a spec for each artefact to be made, a publication for figures and tables."""

from hashlib import sha256
from pathlib import Path
from typing import Any

from cgc import paths
from cgc.config import Config, check_config
from cgc.errors import UserError
from cgc.files import atomic_write, json_text, read_json, write_json
from cgc.provenance.artefacts import artefacts, parse_run
from cgc.provenance.recipes import recipe, settings
from cgc.provenance.source_code import code_hashes, modules_below

# What makes figures and tables. Notebooks are no modules; they import from the report.
PUBLISHES, REPORT = "cgc.cli.publish", "cgc.report"


def spec_path(config: Config, stage: str, key: str) -> Path:
    """Return where the spec of an artefact is written; another recipe has another spec."""
    fingerprint = recipe(stage, key, config)["fingerprint"]
    return paths.SPECS / config.results_name / stage / f"{key}.{fingerprint[:12]}.json"


def write_spec(config: Config, stage: str, key: str, because: list[str]) -> Path:
    """Write all that a job is told; newer than the artefact, so that it triggers its rule."""
    path = spec_path(config, stage, key)
    told: dict[str, Any] = {
        "recipe": recipe(stage, key, config),
        "preset": config.results_name,
        "execution": config.execution.model_dump(mode="json"),
        "because": because,
    }
    if stage == "train_model":
        # validates the network after every epoch; its weights do not depend on it
        setting = config.settings[parse_run(key, config).setting]
        told["evaluate"] = setting.evaluate.model_dump(mode="json")
    if stage == "prepare_data":
        told["dataset"] = config.datasets[key].model_dump(mode="json")
        told["data_root"] = config.data_root
    write_json(path, told)
    return path


def write_publication(config: Config) -> Path:
    """Write what figures and tables are made from: settings, code, and recipes of all artefacts.

    Another content has another name, so that a figure is drawn anew when anything changed, and
    two commands with different presets do not disturb each other.
    """
    content = json_text(
        {
            "preset": config.results_name,
            "config": settings(config),
            "code": code_hashes(PUBLISHES, *modules_below(REPORT)),
            "recipes": {
                str(made): recipe(made.stage, made.key, config)["fingerprint"]
                for made in artefacts(config)
            },
        }
    )
    path = (
        paths.SPECS
        / config.results_name
        / f"publication.{sha256(content.encode()).hexdigest()[:12]}.json"
    )
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
