r"""A table for a two-column paper: booktabs, a caption, a label, one or two columns wide.

It needs `\usepackage{booktabs,tabularx}`. Text columns share the width that the numbers leave.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from cgc.report.cells import NO_VALUE, header
from cgc.scores import NOT_RUN

_ESCAPED = str.maketrans(
    {sign: f"\\{sign}" for sign in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": "$<$", ">": "$>$", "\N{MINUS SIGN}": "$-$"}
)
LONGEST_WORD = 14  # letters; longer names may be broken after . _ - /


@dataclass(frozen=True)
class Layout:
    """What a paper and the report show of a table; its CSV and Markdown hold all of it.

    Attributes:
        chosen: names of columns, separated by spaces.
        labels: how many of them identify a row.
        wide: whether it spans two columns.
        known: a column; a paper shows only the rows that have a value in it. If empty, all rows.
    """

    chosen: str
    labels: int = 1
    wide: bool = False
    known: str = ""

    @property
    def headers(self) -> list[str]:
        """The headers of the chosen columns."""
        return [header(column) for column in self.chosen.split()]


def latex_table(
    shown: pd.DataFrame, numeric: Sequence[bool], *, name: str, caption: str, layout: Layout
) -> str:
    r"""Return a `table`, or a `table*`, with the label `tab:NAME`.

    Args:
        shown: all columns, as `cgc.report.cells.displayed` returns them.
        numeric: whether each column holds numbers.
        name: of the table.
        caption: sentences.
        layout: which columns, how wide.
    """
    kinds = dict(zip(shown, numeric, strict=True))
    headers = layout.headers
    # a first column of text takes the remaining width, as do others with long texts
    stretched = {
        h: not kinds[h] and (i == 0 or shown[h].str.len().max() > LONGEST_WORD)
        for i, h in enumerate(headers)
    }
    if not any(stretched.values()):
        stretched[headers[0]] = True
    columns = "".join("Y" if stretched[h] else "r" if kinds[h] else "l" for h in headers)
    heads = " & ".join(_head(h, kinds[h], stretched[h]) for h in headers)
    printed = shown[shown[header(layout.known)] != NO_VALUE] if layout.known else shown
    rows = [
        " & ".join(_cell(row[h]) for h in headers) + r" \\"
        for row in printed[headers].to_dict("records")
    ]
    place = "table*" if layout.wide else "table"
    return "\n".join(
        [
            rf"\begin{{{place}}}[tp]",
            r"\centering\scriptsize\setlength{\tabcolsep}{3pt}",
            r"\newcolumntype{Y}{>{\raggedright\arraybackslash\hspace{0pt}}X}",
            rf"\caption{{{caption.translate(_ESCAPED)}}}",
            rf"\label{{tab:{name.removeprefix('table_')}}}\vspace{{2pt}}",
            rf"\begin{{tabularx}}{{\linewidth}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            rf"{heads} \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabularx}",
            rf"\end{{{place}}}",
            "",
        ]
    )


def _head(text: str, is_number: bool, is_stretched: bool) -> str:
    """Return a header; over narrow columns one word per line, the unit next to the last."""
    if is_stretched:
        return text.translate(_ESCAPED)
    words = text.translate(_ESCAPED).replace(" (", "~(").split(" ")
    lines = r"\\".join(words)
    return rf"\shortstack[{'r' if is_number else 'l'}]{{{lines}}}"


def _cell(text: str) -> str:
    if text == NOT_RUN:
        return rf"\textit{{{text}}}"
    escaped = re.sub(r"^-(?=[\d.])", "$-$", text.translate(_ESCAPED))
    if max(map(len, text.split() or [""])) > LONGEST_WORD:
        for sign in (".", r"\_", "-", "/"):
            escaped = escaped.replace(sign, rf"{sign}\allowbreak{{}}")
    return escaped
