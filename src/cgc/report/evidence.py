"""The supplement's questions, answered by reference results.

Every number, and every word that depends on one, is computed from the files below
`results/reference`. A question without runs is answered `not run`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from cgc.config import Config
from cgc.files import read_json
from cgc.paths import reference_dir
from cgc.provenance import artefact_of
from cgc.reference.kept import read_reference, references
from cgc.report.claims.share_meaning import meaning_of_share
from cgc.report.figures.gate_controls import compared_rows
from cgc.report.names import ABLATION, VIDEO, variant_name
from cgc.report.paired import paired_difference
from cgc.report.tables.gates import gates_table, layers_of
from cgc.scores import NOT_RUN, chance_percent, frame_of, run_metrics, summary, valid_artefact

SECONDS_PER_HOUR = 3600
# The part of the layer that each ablation variant lacks, and what replaces it.
PARTS = {
    "gates_from_ones": ("zero initialization", "last norms of the gates start at one"),
    "gates_zero_relu": (
        "our reading of zero initialization",
        "the literal one, which leaves the gates constant",
    ),
    "gates_full_rate": ("a tenth of the learning rate", "the full rate for the gates"),
    "input_branch": ("the output branch", "the input branch only"),
    "output_branch": ("the input branch", "the output branch only"),
    "full_interaction": ("a shared channel interaction", "one full linear map"),
}


@dataclass(frozen=True)
class Section:
    """A question and what the runs answer.

    Attributes:
        question: heading, with its section of the supplement.
        answers: a paragraph each, by the runs behind it; empty where nothing was run.
        table: the numbers; None where nothing was run.
        limits: what the answers do not show.
        figures: alt texts, by path from the repository's root.
    """

    question: str
    answers: dict[str, str]
    table: pd.DataFrame | None
    limits: str
    figures: dict[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """The answers as plain text."""
        return " ".join(f"{runs}: {answer}" for runs, answer in self.answers.items()) or NOT_RUN

    @property
    def shown(self) -> pd.DataFrame:
        """The table; a single cell where nothing was run."""
        return pd.DataFrame({"runs": [NOT_RUN]}) if self.table is None else self.table


@dataclass(frozen=True)
class Evidence:
    """The supplement's questions in its order."""

    clusters: Section
    layers: Section
    accuracy: Section
    parts: Section
    video: Section
    runs: Section

    @classmethod
    def read(cls) -> "Evidence":
        """Answer the questions from all references, the tiny preset's last.

        Raises:
            UserError: a reference is damaged.
        """
        presets = sorted(references(), key=lambda preset: (preset == "tiny", preset))
        return cls.of([read_reference(preset).config for preset in presets])

    @classmethod
    def of(cls, configs: Sequence[Config]) -> "Evidence":
        """Answer the questions from the valid results of some presets."""
        return cls(
            _clusters(configs),
            _layers(configs),
            _accuracy(configs),
            _parts(configs),
            _video(configs),
            _runs(configs),
        )


def _clusters(configs: Sequence[Config]) -> Section:
    analysed = [config for config in configs if _has_controls(config)]
    frames: list[pd.DataFrame] = []
    answers, figures = {}, {}
    for config in analysed:
        meaning = meaning_of_share(config)
        answers[_name(config)] = f"{meaning.verdict} {meaning.number} {meaning.bias}"
        rows = compared_rows(gates_table(config))
        frames.append(rows)
        figure = str(reference_dir(config.preset) / "fig_gate_controls.png")
        figures[figure] = f"Share and CDNV of kernels and controls, preset {config.preset}"
    columns = ["preset", "run", "representation", "share_percent", "corrected_share_percent"]
    table = pd.concat(frames)[[*columns, "median_cdnv"]] if frames else None
    return Section(
        "A.1: Do modulated kernels cluster by class, beyond what context and features already do?",
        answers,
        table,
        "A share shows that classes differ, not that the gates make them differ: images of a "
        "class are alike before any gate sees them. Only what the kernels have beyond their "
        "inputs and beyond redrawn gates comes from the gates. None of these networks was trained "
        "on ImageNet.",
        figures,
    )


def _layers(configs: Sequence[Config]) -> Section:
    frames: list[pd.DataFrame] = []
    answers = {}
    for config in configs:
        if not _has(config, "measure_all_gates", config.gates.run):
            continue
        rows = layers_of(gates_table(config))
        frames.append(rows)
        first, last = rows["corrected_share_percent"].iloc[[0, -1]]
        best = rows["layer"].iloc[rows["corrected_share_percent"].astype(float).argmax()]
        answers[_name(config)] = (
            f"From {first:.0f} % of class pairs in the first gated layer to "
            f"{last:.0f} % in the last (corrected); the largest share is that of {best}."
        )
    columns = ["preset", "layer", "share_percent", "corrected_share_percent", "median_cdnv"]
    return Section(
        "A.1: In which layers?",
        answers,
        pd.concat(frames)[columns] if frames else None,
        "Layers see different inputs, so a difference between two of them is not due to the gates "
        "alone.",
    )


def _accuracy(configs: Sequence[Config]) -> Section:
    rows: list[dict[str, Any]] = []
    answers = {}
    for config in configs:
        for setting in config.settings:
            if setting == VIDEO or not (row := _compared(config, setting, "cgc", "plain")):
                continue
            rows.append(row)
            answers[_title(config, setting)] = _difference_in_words(row)
    return Section(
        "A.2: Is a context-gated network more accurate than a plain one?",
        answers,
        frame_of(rows) if rows else None,
        "The supplement states settings, but no accuracies, for these networks; short trainings "
        "of small networks do not predict those of long trainings of large ones.",
    )


def _parts(configs: Sequence[Config]) -> Section:
    rows: list[dict[str, Any]] = []
    answers = {}
    for config in configs:
        variants = config.settings[ABLATION].variants if ABLATION in config.settings else []
        compared = [
            {"without": PARTS[variant][0], "instead": PARTS[variant][1]} | row
            for variant in variants
            if variant in PARTS and (row := _compared(config, ABLATION, variant, "cgc"))
        ]
        rows += compared
        words = {
            sign: [row["without"] for row in compared if row["answer"] == sign]
            for sign in dict.fromkeys(row["answer"] for row in compared)
        }
        if words:
            said = "; ".join(f"{sign} without {', '.join(parts)}" for sign, parts in words.items())
            answers[_title(config, ABLATION)] = f"Accuracy compared with CGC: {said}."
    return Section(
        "A.2: Which parts of the layer matter?",
        answers,
        frame_of(rows) if rows else None,
        "Six comparisons at 95 %: about one such table in four shows a difference where there is "
        "none. Three seeds give wide intervals.",
    )


def _video(configs: Sequence[Config]) -> Section:
    rows: list[dict[str, Any]] = []
    answers = {}
    for config in configs:
        if VIDEO not in config.settings:
            continue
        others = [name for name in config.settings[VIDEO].variants if name != "plain"]
        differences = [row for name in others if (row := _compared(config, VIDEO, name, "plain"))]
        rows += differences
        said = " ".join(_difference_in_words(row) for row in differences)
        if said:
            chance = chance_percent(config, VIDEO)
            said += f" Chance is {chance:.1f} %." if chance else ""
            answers[_title(config, VIDEO)] = said
    return Section(
        "A.3: Does P3D-A use time, and does gating help it?",
        answers,
        frame_of(rows) if rows else None,
        "Neither embedded digits in motion nor 300 clips are Something-Something; no network here "
        "was trained on it.",
    )


def _runs(configs: Sequence[Config]) -> Section:
    rows = []
    for config in configs:
        trained = [run for run in config.all_runs() if run_metrics(config, run)]
        about = [_about_run(config, str(run)) for run in trained]
        rows.append(
            {
                "preset": config.preset,
                "data": config.description,
                "n": len(trained),
                "runs_in_preset": len(config.all_runs()),
                "device": ", ".join(sorted({each["device"] for each in about})) or NOT_RUN,
                "hours": sum(each["duration_seconds"] for each in about) / SECONDS_PER_HOUR,
                "commit": ", ".join(sorted({str(each["commit"]) for each in about})),
            }
        )
    return Section(
        "The runs",
        {},
        frame_of(rows) if rows else None,
        "Hours are the sum of the trainings' wall times, each in one thread of a busy machine.",
    )


def _compared(config: Config, setting: str, variant: str, baseline: str) -> dict[str, Any] | None:
    """Return the accuracies of two variants and their paired difference; None if not both ran."""
    difference = paired_difference(config, setting, variant, baseline)
    if difference is None:
        return None
    ours, theirs = (
        summary(config, setting, name, ("top1_percent",)) for name in (variant, baseline)
    )
    return {
        "preset": config.preset,
        "setting": setting,
        "variant": variant_name(config, variant),
        "top1_percent": ours["top1_percent_mean"],
        "baseline": variant_name(config, baseline),
        "baseline_top1_percent": theirs["top1_percent_mean"],
        "difference_points": difference.mean,
        "low_points": difference.low,
        "high_points": difference.high,
        "interval_over": f"{difference.n} seeds" if difference.over == "seeds" else "images",
        "answer": difference.in_words,
    }


def _difference_in_words(row: dict[str, Any]) -> str:
    variant = row["variant"]
    return (
        f"{variant[0].upper()}{variant[1:]} {row['top1_percent']:.1f} %, {row['baseline']} "
        f"{row['baseline_top1_percent']:.1f} %, difference {row['difference_points']:+.1f} points "
        f"(95 % interval {row['low_points']:+.1f} to {row['high_points']:+.1f} "
        f"over {row['interval_over']}): {row['answer']}."
    )


def _about_run(config: Config, run: str) -> dict[str, Any]:
    path = artefact_of("train_model", run, config.results_name).path("run.json")
    return read_json(path, made_by="train_model")


def _has_controls(config: Config) -> bool:
    return _has(config, "measure_controls", config.gates.run) and _has(
        config, "measure_all_gates", config.gates.run
    )


def _has(config: Config, stage: str, run: str) -> bool:
    return valid_artefact(stage, run, config) is not None


def _name(config: Config) -> str:
    return f"Preset {config.preset}"


def _title(config: Config, setting: str) -> str:
    return f"Preset {config.preset}, {setting}"
