"""Names in words, the same wherever they are shown: data sets, networks, variants, settings."""

import re
from typing import Any

from cgc.config import Config, Variant

ABLATION, VIDEO = "cifar10_ablation", "p3d_a_video"  # settings with their own figures

DATA = {
    "cifar10": "CIFAR-10",
    "imagenet": "ImageNet",
    "caltech101": "Caltech-101",
    "something": "Something-Something",
}
NETWORKS = {"resnet": "ResNet-", "p3d_a_resnet": "P3D-A ResNet-", "cifar_resnet": "ResNet-"}


def data_name(dataset: str) -> str:
    """Return a data set's name in words."""
    return DATA.get(dataset, dataset.replace("_", " "))


def network_name(model: str) -> str:
    """Return a network's name as papers write it, or else as its library does."""
    library, _, name = model.rpartition("/")
    family, depth = re.fullmatch(r"(.*?)(\d*)", name).groups()  # type: ignore[union-attr]
    known = f"{NETWORKS[family]}{depth}" if family in NETWORKS and depth else name
    return f"{known} ({library})" if library else known


def trained_name(config: Config, setting: str) -> str:
    """Return the data and the network that a setting trains with, e.g. "digits, ResNet-8"."""
    about = config.settings[setting]
    return f"{data_name(about.dataset)}, {network_name(about.model)}"


def setting_name(config: Config, setting: str) -> str:
    """Return the same with the setting's own title, which may name other data."""
    trained, title = trained_name(config, setting), config.settings[setting].title
    return trained if title == trained else f"{trained} ({title})"


def variant_name(config: Config, variant: str) -> str:
    """Return what a variant's convolutions are."""
    return describe_variant(config.variants[variant])


def describe_variant(variant: Variant) -> str:
    """Describe a variant's convolutions in words, with every option that it sets."""
    options = variant.model_dump(exclude_none=True, exclude_defaults=True, exclude={"conv"})
    kind = "CGC" if variant.conv == "cgc" else "plain"
    return ", ".join([kind, *(_describe_option(name, value) for name, value in options.items())])


def _describe_option(name: str, value: Any) -> str:
    match name, value:
        case "branches", [branch]:
            return f"{branch} branch only"
        case "gate_init", "ones":
            return "last norms start at 1"
        case "gate_init", "zero-relu":
            return "literal zero start (dead gates)"
        case "gate_learning_rate_factor", 1:
            return "gates at full learning rate"
        case "gate_learning_rate_factor", _:
            return f"gates at {value:g} x the learning rate"
        case "interaction_groups", 1:
            return "channel interaction not shared"
        case "temporal", False:
            return "no temporal convolutions"
    return f"{name} {value}"
