"""Accuracy of trained networks: the settings of A.2, the CIFAR-10 ablation, the video setting."""

import pandas as pd

from cgc.config import Clips, Config, Setting
from cgc.report.names import ABLATION, VIDEO, variant_name
from cgc.scores import NOT_RUN, frame_of, settings_called, summary

IMAGE_SCORES = ("top1_percent", "top5_percent", "loss")
VIDEO_SCORES = ("top1_percent", "top1_percent_6_views", "top5_percent", "top5_percent_6_views")


def accuracy_table(config: Config, prefix: str) -> pd.DataFrame:
    """Return every network of the settings whose names begin with `prefix`, a row each."""
    settings = {name: config.settings[name] for name in settings_called(prefix, config)}
    return frame_of(
        [
            {"setting": setting.title, "network": setting.model}
            | {"convolution": variant_name(config, variant)}
            | summary(config, name, variant, IMAGE_SCORES)
            for name, setting in settings.items()
            for variant in setting.variants
        ]
    )


def ablation_table(config: Config) -> pd.DataFrame:
    """Return the rows of the ablation, with their difference from CGC in percentage points."""
    settings_called(ABLATION, config)
    variants = config.settings[ABLATION].variants
    rows = {variant: summary(config, ABLATION, variant, IMAGE_SCORES) for variant in variants}
    full = rows.get("cgc", {}).get("top1_percent_mean", NOT_RUN)
    return frame_of(
        [
            {"variant": variant, "description": variant_name(config, variant)}
            | {"top1_percent_minus_cgc": _minus(row["top1_percent_mean"], full)}
            | row
            for variant, row in rows.items()
        ]
    )


def _minus(value: float | str, other: float | str) -> float | str:
    if isinstance(value, str) or isinstance(other, str):
        return NOT_RUN
    return value - other


def video_table(config: Config) -> pd.DataFrame:
    """Return the networks on clips, scored on one view and on six (2 clips x 3 crops)."""
    setting, clips = video_setting(config)
    return frame_of(
        [
            {"variant": variant, "description": variant_name(config, variant)}
            | {"network": setting.model, "num_frames": clips.frames}
            | summary(config, VIDEO, variant, VIDEO_SCORES)
            for variant in setting.variants
        ]
    )


def video_setting(config: Config) -> tuple[Setting, Clips]:
    """Return the video setting and its clip options.

    Raises:
        UserError: the preset has none.
    """
    settings_called(VIDEO, config)
    setting = config.settings[VIDEO]
    assert setting.clips is not None, "the configuration was checked"
    return setting, setting.clips
