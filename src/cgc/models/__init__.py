"""The networks of the supplement's settings, and those of timm and torchvision."""

from cgc.models.names import MODELS
from cgc.models.registry import build_model

__all__ = ["MODELS", "build_model"]
