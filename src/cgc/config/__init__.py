"""The configuration: one strict schema, checked as a whole before anything runs."""

from cgc.config.load import check_config, explain_all, load_config, load_preset
from cgc.config.preset import Config, Execution, Gates, Run
from cgc.config.section import Section
from cgc.config.settings import (
    Augment,
    Clips,
    CosineSchedule,
    Evaluate,
    ModelName,
    Schedule,
    Setting,
    StepSchedule,
    Train,
    Variant,
)

__all__ = [
    "Augment",
    "Clips",
    "Config",
    "CosineSchedule",
    "Evaluate",
    "Execution",
    "Gates",
    "ModelName",
    "Run",
    "Schedule",
    "Section",
    "Setting",
    "StepSchedule",
    "Train",
    "Variant",
    "check_config",
    "explain_all",
    "load_config",
    "load_preset",
]
