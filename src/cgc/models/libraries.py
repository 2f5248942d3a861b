"""Networks of timm and torchvision by name, with new weights: nothing is downloaded."""

from torch import nn

from cgc.errors import UserError, did_you_mean

AUXILIARY = ("googlenet", "inception_v3")  # in training they would return more than class scores


def timm_network(name: str, num_classes: int) -> nn.Module:
    """Build a network from timm.

    Args:
        name: one of `timm.list_models()`.
        num_classes: size of the classifier.

    Raises:
        UserError: timm is not installed, or has no such network.
    """
    try:
        import timm  # no other network needs it
    except ModuleNotFoundError as error:
        raise UserError(f"timm/{name} needs timm: `pip install timm`") from error
    _check("timm", name, timm.list_models())
    return timm.create_model(name, pretrained=False, num_classes=num_classes)


def torchvision_network(name: str, num_classes: int) -> nn.Module:
    """Build an image classifier from torchvision.

    Args:
        name: one of `torchvision.models.list_models(torchvision.models)`.
        num_classes: size of the classifier.

    Raises:
        UserError: torchvision has no such network.
    """
    from torchvision import models

    _check("torchvision", name, models.list_models(models))
    options = {"aux_logits": False} if name in AUXILIARY else {}
    return models.get_model(name, weights=None, num_classes=num_classes, **options)


def _check(library: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise UserError(
            f"{library} has no network for images called {name!r}{did_you_mean(name, known)}"
        )
