"""Whether this machine can make a preset: what is there, what is missing, what that blocks.

Checks look and change nothing; a thing that cannot be looked at is a finding, never a traceback.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cgc import provenance
from cgc.config import Config, load_config
from cgc.doctor import data, disk, machine, probe, versions
from cgc.doctor.findings import Finding, guarded
from cgc.errors import UserError

__all__ = ["Finding", "Report", "examine"]

PRESETS = Path("config/presets")


@dataclass(frozen=True)
class Report:
    """What was found.

    Attributes:
        preset: that was asked about.
        findings: about it and this machine.
        others: a line for each other preset.
    """

    preset: str
    findings: list[Finding]
    others: list[Finding]

    @property
    def is_ready(self) -> bool:
        """Whether nothing blocks the preset."""
        return all(finding.state != "blocks" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Return it for a script."""
        return {
            "preset": self.preset,
            "ready": self.is_ready,
            "findings": [finding.as_json() for finding in self.findings],
            "other_presets": [finding.as_json() for finding in self.others],
        }


def examine(files: Iterable[Path]) -> Report:
    """Look at everything that a preset needs.

    Args:
        files: of the preset, over the default configuration.

    Raises:
        UserError: the preset is not valid.
    """
    config = load_config(files)
    networks, copies = _networks_to_train(config)
    asked = probe.Asked(networks)
    found = {
        "versions": guarded("versions", versions.versions),
        "machine": guarded("machine", partial(machine.processor, config.execution.threads)),
        "git": guarded("git", machine.git),
        "data": guarded("data", partial(data.data, config)),
        "tools": guarded("tools", machine.tools),
    }
    others = _others(config)
    told = asked.answer()
    is_counted = not (told.problem or told.network_problem)
    need = disk.Need.of(told.num_parameters, copies) if is_counted else disk.Need(None)
    found["accelerator"] = [*machine.accelerator(config.execution, told)]
    found["disk"] = guarded("disk", partial(disk.disk, need))
    return Report(config.label, [finding for area in AREAS for finding in found[area]], others)


AREAS = ("versions", "accelerator", "machine", "disk", "git", "tools", "data")


def _networks_to_train(config: Config) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the networks that are to be trained, and the number of runs of each.

    A variant is counted as its setting's gated network: the gates are a thousandth of the numbers.
    """
    try:
        waiting = [name for name in provenance.stale(config) if name.startswith("train_model:")]
    except UserError:  # the check of the data reports it
        return [], []
    settings = [name.split(":", 1)[1].split("/")[0] for name in waiting]
    distinct = list(dict.fromkeys(settings))
    return [_network(config, name) for name in distinct], [settings.count(n) for n in distinct]


def _network(config: Config, name: str) -> dict[str, Any]:
    setting = config.settings[name]
    num_classes = getattr(config.datasets[setting.dataset], "num_classes", None) or 10
    options = setting.clips.model_options() if setting.clips else {}
    return {"name": setting.model, "num_classes": num_classes, "conv": "cgc", **options}


def _others(chosen: Config) -> list[Finding]:
    """Say in a line for each other preset what it lacks; the default one has no file."""
    found = []
    for file in (None, *sorted(PRESETS.glob("*.yaml"))):
        try:
            other = load_config([file] if file else [])
            if other.preset != chosen.preset:
                found.append(data.summary(other))
        except UserError as error:
            found.append(data.unreadable(str(file or "config/config.yaml"), error))
    return found
