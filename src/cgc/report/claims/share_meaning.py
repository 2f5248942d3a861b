"""What the measured controls say about the share of A.1, in sentences.

All of it is computed from the rows of `cgc.gates.controls`, so it holds for the preset shown.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cgc.config import Config
from cgc.files import read_json
from cgc.report.claims.controls import clusters_sentence
from cgc.report.drawing import not_run_error
from cgc.report.figures.gate_matrix import PAPER_SHARE_PERCENT, in_words
from cgc.report.tables.gates import gates_table, layers_of
from cgc.scores import NOT_RUN, valid_artefact

Row = Mapping[str, Any]

INHERITED = {
    "pixels": "pixels",
    "pooled_context": "pooled context",
    "features": "features",
    "plain_features": "features of the plain network",
}
VERDICTS = {
    True: "The gates add class structure to that of their inputs.",
    False: "This is no evidence that the gates add class structure to that of their inputs.",
    None: "What was run does not decide whether the gates add class structure.",
}


@dataclass(frozen=True)
class ShareMeaning:
    """Sentences, in the order of a reader's questions.

    Attributes:
        number: the share as the paper counts it, and its intervals.
        bias: what the correction for few images per class leaves.
        inherited: how separate the classes are in what the gates see, and before that.
        added: the same for kernels of redrawn gates and of the untrained network.
        verdict: the conclusion.
    """

    number: str
    bias: str
    inherited: str
    added: str
    verdict: str


def meaning_of_share(config: Config) -> ShareMeaning:
    """Return the sentences on the analysed run of a preset.

    Raises:
        UserError: its controls were not measured.
    """
    run = config.gates.run
    artefact = valid_artefact("measure_controls", run, config)
    if artefact is None:
        raise not_run_error(f"the controls of {run}", "fig_gate_controls", config)
    return explain_share(
        read_json(artefact.folder / "gate_controls.json", made_by="measure_controls")
    )


def spread_over_trainings(config: Config) -> str:
    """Return the shares of the last gated layer in every training of the analysed variant.

    Raises:
        UserError: the shares of the analysed run were not measured.
    """
    table = gates_table(config)
    analysed = layers_of(table).iloc[-1]
    if not analysed["n"]:
        raise not_run_error(f"the shares of {config.gates.run}", "fig_gate_controls", config)
    is_other = table["run"] != analysed["run"]
    trainings = [analysed.to_dict(), *table[is_other].to_dict("records")]
    if len(trainings) == 1:
        return f"This preset trains no other network like {analysed['run']}."
    listed = [f"{row['run']} {_in_words(row)}" for row in trainings]
    return f"Share, corrected share and median CDNV of the last gated layer: {'; '.join(listed)}."


def _in_words(row: Row) -> str:
    """Format cells of `gates_table`, some of which already are words."""
    if row["share_percent"] == NOT_RUN:
        return NOT_RUN
    units = {"share_percent": " %", "corrected_share_percent": " %", "median_cdnv": ""}
    return ", ".join(
        row[name] if isinstance(row[name], str) else f"{row[name]:.2f}{unit}"
        for name, unit in units.items()
    )


def explain_share(rows: Sequence[Row]) -> ShareMeaning:
    """Return the sentences on the rows that `measure_controls` yields."""
    kernels = _called(rows, "kernels")[0]
    sentence, holds = clusters_sentence(rows, PAPER_SHARE_PERCENT)
    return ShareMeaning(
        number=_number(kernels),
        bias=_bias(kernels),
        inherited=_compared(rows, INHERITED),
        added=_added(rows),
        verdict=f"{sentence[0].upper()}{sentence[1:]}. {VERDICTS[holds]}",
    )


def _number(kernels: Row) -> str:
    pairs = kernels["num_classes"] * (kernels["num_classes"] - 1)
    share = (
        f"Layer {kernels['layer']}: {_percent(kernels['share'])} of {pairs:,} ordered class pairs, "
        f"from {kernels['num_images']:,} images."
    )
    intervals = {"other images": ("low", "high"), "other classes": ("class_low", "class_high")}
    known = [
        f"{100 * kernels[low]:.2f} to {_percent(kernels[high])} for {name}"
        for name, (low, high) in intervals.items()
        if kernels[low] is not None
    ]
    if not known:
        return f"{share} No interval: {kernels['refused']}."
    return f"{share} Interval ({100 * kernels['level']:g} %): {', '.join(known)}."


def _bias(kernels: Row) -> str:
    counts = (
        f"{kernels['images_per_class']:,} images in the smallest class, "
        f"{kernels['images_per_class_median']:,g} in the median one"
    )
    if kernels["corrected_share"] is None:
        return f"With {counts}, no correction is possible: {kernels['refused']}."
    return (
        f"With {counts}, the share is {_percent(kernels['share'])} as the paper counts it and "
        f"{_percent(kernels['corrected_share'])} corrected. The median CDNV is "
        f"{in_words(kernels['median_cdnv'])}."
    )


def _added(rows: Sequence[Row]) -> str:
    sentences = [_compared(rows, {"redrawn_gates": "redrawn gates"})]
    for untrained in _called(rows, "untrained"):
        share = untrained["share"]
        constant = ", as constant gates must" if share == 0 else ""
        sentences.append(f"Before training the share is {_percent(share)}{constant}.")
    return " ".join(sentences)


def _compared(rows: Sequence[Row], words: Mapping[str, str]) -> str:
    """Give each representation's corrected share and CDNV, and compare the latter."""
    kernels = _called(rows, "kernels")[0]
    stated = [f"{word} {_both(_called(rows, name))}" for name, word in words.items()]
    listed = (
        f"Corrected share and median CDNV: {'; '.join(stated)}; the kernels {_both([kernels])}."
    )
    names_of = {
        relation: [word for name, word in words.items() if _relation(rows, name) == relation]
        for relation in ("smaller than that of", "larger than that of", "in the range of")
    }
    parts = [f"{relation} {', '.join(names)}" for relation, names in names_of.items() if names]
    if not parts:
        return listed
    return f"{listed} The kernels' CDNV is {', and '.join(parts)} (small is separate)."


def _relation(rows: Sequence[Row], name: str) -> str | None:
    """Compare the kernels' CDNV with that of all rows of a representation, if both have one."""
    kernels = _called(rows, "kernels")[0]["median_cdnv"]
    others = [row["median_cdnv"] for row in _called(rows, name)]
    if kernels is None or not others or None in others:
        return None
    if kernels < min(others):
        return "smaller than that of"
    return "larger than that of" if kernels > max(others) else "in the range of"


def _both(rows: Sequence[Row]) -> str:
    """Return the corrected share and the CDNV, as ranges over several rows, or why not."""
    draws = f" ({len(rows)} draws)" if len(rows) > 1 else ""
    share = _range([row["corrected_share"] for row in rows], 100)
    cdnv = _range([row["median_cdnv"] for row in rows], 1)
    if share is None and cdnv is None:
        reasons = dict.fromkeys(row["refused"] for row in rows if row["refused"])
        return f"not measured ({'; '.join(reasons) or 'not run'})"
    return f"{'not measured' if share is None else share + ' %'}, {cdnv or 'not measured'}{draws}"


def _range(values: Sequence[float | None], factor: float) -> str | None:
    known = [factor * value for value in values if value is not None]
    if not known:
        return None
    return " to ".join(dict.fromkeys(f"{value:.2f}" for value in (min(known), max(known))))


def _percent(fraction: float) -> str:
    return in_words(fraction, percent=True)


def _called(rows: Sequence[Row], representation: str) -> list[Row]:
    return [row for row in rows if row["representation"] == representation]
