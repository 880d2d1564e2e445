"""What the reference's scripts see of an answer: they read a CSV file with pandas, which takes some words for a missing value."""

from __future__ import annotations

PANDAS_NA = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
        *("N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
"""The whole cells that pandas 2 reads as NaN."""


def is_missing(cell: str) -> bool:
    """Whether pandas would read the cell as missing."""
    return cell in PANDAS_NA


def as_string(cell: str) -> str:
    """The cell after ``str(…)``: a missing one becomes ``nan``."""
    return "nan" if cell in PANDAS_NA else cell
