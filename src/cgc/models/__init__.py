"""The networks of the supplement's settings."""

from cgc.models.registry import MODELS, build_model

__all__ = ["MODELS", "build_model"]
