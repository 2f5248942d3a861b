"""Write dvc.yaml: which files of a preset DVC versions, from its configuration and the workflow.

Run it when a test says so, after a change of settings, steps, or of what a step imports:

    uv run tools/write_dvc_yaml.py

For another preset, to version its data and checkpoints as well, in versions/<preset>/dvc.yaml:

    uv run tools/write_dvc_yaml.py config/presets/cifar10.yaml

Every stage asks Snakemake for one of its targets, and Snakemake decides what must run: no output is
deleted before (`persist`). Data and weights lie in DVC's cache; metrics and histories, figures and
tables do not (`cache: false`), since git holds or ignores them.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from cgc import provenance
from cgc.config import Config, load_config
from cgc.paths import RESULTS
from cgc.provenance import Artefact

ROOT = Path(__file__).resolve().parents[1]
SOURCE = Path("src/cgc")
IN_CACHE = {".arrow", ".safetensors"}

# Settings that a target depends on, at the top level of the configuration.
SECTIONS = {
    "data": ["datasets"],
    "checkpoints": ["variants"],
    "evaluations": [],
    "gates": ["gates"],
    "paper": ["description", "gates", "variants"],
}
HEAD = """\
# Written by tools/write_dvc_yaml.py, which says how and why; do not edit.
# `dvc repro` makes and versions everything, `dvc pull` fetches what others made: docs/versions.md.
"""


def pipeline(config: Config, preset_file: Path | None) -> dict[str, Any]:
    """Return the content of a preset's dvc.yaml; figures and tables are of the default preset."""
    made = {
        target: [each for each in provenance.artefacts(config) if each.stage in stages]
        for target, stages in provenance.TARGETS.items()
    }
    stages = {
        target: _command(target, config, preset_file) | _stage(made[target], config)
        for target in made
        if made[target]
    }
    plots = _training_curves(config)
    if preset_file is None:
        published = _published(config)
        stages["paper"] = _command("paper", config, None) | _paper(made, published)
        plots += _bars(published)
    else:  # its dvc.yaml lies in versions/<preset>/
        stages = {name: {"wdir": "../.."} | stage for name, stage in stages.items()}
        plots = [_from_below(plot) for plot in plots]
    return {"stages": stages, "plots": plots}


def _command(target: str, config: Config, preset_file: Path | None) -> dict[str, Any]:
    command = f"snakemake {target} --cores all"
    if preset_file:  # everything that either file says
        files = {"config/config.yaml": None}, {preset_file.as_posix(): None}
        return {"cmd": f"{command} --configfile {preset_file}", "params": list(files)}
    settings = [] if target == "data" else [f"settings.{name}" for name in config.settings]
    return {"cmd": command, "params": [{"config/config.yaml": [*SECTIONS[target], *settings]}]}


def _stage(made: list[Artefact], config: Config) -> dict[str, Any]:
    """Return what a target's artefacts are made from, and their files."""
    recipes = [provenance.recipe(each.stage, each.key, config) for each in made]
    code = {(SOURCE / file).as_posix() for recipe in recipes for file in recipe["code"]}
    own = {str(each) for each in made}
    upstream = {name: None for recipe in recipes for name in recipe["upstream"] if name not in own}
    sources = [provenance.artefact(*name.split(":", 1), config.label) for name in upstream]
    files = [each.folder / name for each in made for name in each.files]
    stage = {
        "deps": sorted(code) + _used_files(sources),
        "outs": [_output(file) for file in files if file.name != "metrics.json"],
        "metrics": [_output(file) for file in files if file.name == "metrics.json"],
    }
    return {key: value for key, value in stage.items() if value}


def _used_files(sources: list[Artefact]) -> list[str]:
    return [(each.folder / name).as_posix() for each in sources for name in each.used_files()]


def _output(file: Path) -> dict[str, Any]:
    where = {} if file.suffix in IN_CACHE else {"cache": False}
    return {file.as_posix(): {**where, "persist": True}}


def _paper(made: dict[str, list[Artefact]], published: list[Path]) -> dict[str, Any]:
    code = ["Snakefile", "config/claims.yaml", "notebooks", "src/cgc/cli/publish.py"]
    numbers = _used_files([*made["evaluations"], *made["gates"]])
    outputs = [{file.as_posix(): {"cache": False, "persist": True}} for file in published]
    return {"deps": [*code, "src/cgc/report", "workflow/rules", *numbers], "outs": outputs}


def _published(config: Config) -> list[Path]:
    """Return the files that the workflow makes of artefacts, as its rules list them."""
    command = ["snakemake", "paper", "--summary", "--quiet", "all", "--cores", "1"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    listed = [Path(line.split("\t")[0]) for line in told.splitlines()[1:]]
    artefacts = {path for each in provenance.artefacts(config) for path in each.paths()}
    return sorted(path for path in listed if path not in artefacts)


def _training_curves(config: Config) -> list[dict[str, Any]]:
    histories: dict[str, list[str]] = {name: [] for name in config.settings}
    for run in config.runs():
        folder = provenance.artefact("train_model", str(run), config.label).folder
        histories[run.setting].append((folder / "history.csv").as_posix())
    return [
        {
            f"training_{name}": {
                "title": config.settings[name].title,
                "x": "epoch",
                "y": dict.fromkeys(files, "validation_top1_percent"),
            }
        }
        for name, files in histories.items()
        if files
    ]


def _bars(published: list[Path]) -> list[dict[str, Any]]:
    bars = {
        "table_cifar10_ablation.csv": {"x": "top1_percent_mean", "y": "variant"},
        "table_gates.csv": {"x": "share_percent", "y": "layer"},
    }
    return [
        {(RESULTS / name).as_posix(): {**axes, "template": "bar_horizontal"}}
        for name, axes in bars.items()
        if RESULTS / name in published
    ]


def _from_below(plot: dict[str, Any]) -> dict[str, Any]:
    return {
        name: axes | {"y": {f"../../{file}": column for file, column in axes["y"].items()}}
        for name, axes in plot.items()
    }


def main() -> None:
    """Write the file of the default preset, or of the preset file that is named."""
    preset_file = Path(os.path.relpath(sys.argv[1], ROOT)) if len(sys.argv) > 1 else None
    os.chdir(ROOT)
    config = load_config([preset_file] if preset_file else [])
    target = Path("versions") / config.label / "dvc.yaml" if preset_file else Path("dvc.yaml")
    target.parent.mkdir(parents=True, exist_ok=True)
    content = yaml.safe_dump(pipeline(config, preset_file), sort_keys=False, width=100)
    target.write_text(HEAD + content)
    print(target)


if __name__ == "__main__":
    main()
