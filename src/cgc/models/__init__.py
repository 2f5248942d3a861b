"""The networks of the supplement's settings, and those of timm and torchvision."""

from cgc.models.registry import build_model
from cgc.networks import MODELS

__all__ = ["MODELS", "build_model"]
