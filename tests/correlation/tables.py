"""Small ratings and scores for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ehrbench.correlation.ratings import Rankings, build
from ehrbench.correlation.scores import Scores

NAN = float("nan")


def rankings(ranks: Sequence[Sequence[float]], groups: Mapping[str, str] | None = None) -> Rankings:
    """One rater's rankings: a row an item (i00, i01 …), a column a system (A, B …)."""
    rows = {
        (f"i{i:02}", "r1", chr(ord("A") + s)): (float(rank), NAN, True, NAN)
        for i, row in enumerate(ranks)
        for s, rank in enumerate(row)
    }
    return build("toy", rows, groups or {}, with_used=False, with_lengths=False)


def scores(name: str, matrix: Sequence[Sequence[float]] | np.ndarray, higher_is_better: bool = True) -> Scores:
    cells = {(f"i{i:02}", chr(ord("A") + s)): float(x) for i, row in enumerate(matrix) for s, x in enumerate(row)}
    return Scores(name, name, higher_is_better, cells, source="toy scores")


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path
