"""The list of networks: each name, the code that builds it, and whether it sees images or clips.

A new network is one entry of `MODELS`. The list is read without PyTorch: the configuration is
checked against it, and provenance takes from it the code and packages behind a name.
"""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, NamedTuple

from cgc.errors import UserError, did_you_mean


class Network(NamedTuple):
    """An entry of the list.

    Attributes:
        module: of `cgc.models`, with the code.
        factory: class or function of that module; takes `num_classes` and the network's options.
        kind: what the network sees.
        arguments: of the factory, before `num_classes`.
        library: the package of a network such as `timm/resnet18`; "" for those of `MODELS`.
    """

    module: str
    factory: str
    kind: Literal["image", "clip"] = "image"
    arguments: tuple[Any, ...] = ()
    library: str = ""

    def load(self) -> Callable[..., Any]:
        """Import the code and return the factory with its first arguments."""
        return partial(
            getattr(import_module(f"cgc.models.{self.module}"), self.factory), *self.arguments
        )


MODELS = {
    "resnet11": Network("imagenet_resnet", "ResNet11"),
    "resnet50": Network("imagenet_resnet", "resnet50_without_weights"),
    "cifar_resnet8": Network("cifar_resnet", "CifarResNet", arguments=(8,)),
    "cifar_resnet20": Network("cifar_resnet", "CifarResNet", arguments=(20,)),
    "cifar_resnet56": Network("cifar_resnet", "CifarResNet", arguments=(56,)),
    "cifar_resnet110": Network("cifar_resnet", "CifarResNet", arguments=(110,)),
    "p3d_a_resnet11": Network("p3d", "P3DAResNet11", "clip"),
    "p3d_a_resnet50": Network("p3d", "P3DAResNet50", "clip"),
}
LIBRARIES = ("timm", "torchvision")  # their networks are named like `timm/resnet18`


def find_network(name: str) -> Network:
    """Return the named network, from `MODELS` or from a library, such as `timm/resnet18`.

    Which networks a library has is only known when building one, which needs PyTorch.

    Raises:
        ValueError: the name is unknown.
    """
    library, slash, network = name.partition("/")
    if library in LIBRARIES and slash:
        factory = f"{library}_network"
        return Network("libraries", factory, arguments=(network,), library=library)
    if name not in MODELS:
        known = ", ".join([*MODELS, *(f"{library}/NAME" for library in LIBRARIES)])
        raise ValueError(f"model must be one of {known}: got {name!r}{did_you_mean(name, MODELS)}")
    return MODELS[name]


def source_module(name: str) -> str:
    """Return the full name of the module that builds the network, e.g. "cgc.models.p3d"."""
    return f"cgc.models.{find_network(name).module}"


def package_versions(name: str) -> dict[str, str]:
    """Return the installed version of the library that a network comes from; {} for `MODELS`.

    Raises:
        UserError: the library is not installed.
    """
    library = find_network(name).library
    try:
        return {library: version(library)} if library else {}
    except PackageNotFoundError as error:
        raise UserError(f"{name} needs {library}: `pip install {library}`") from error
