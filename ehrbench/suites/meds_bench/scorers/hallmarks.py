"""The hallmarks of cancer: macro precision, recall and F1 over ten classes of which a text may have several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.suites.meds_bench.scorers import OURS, PAPER
from ehrbench.suites.meds_bench.scorers.accuracy import counted
from ehrbench.suites.meds_bench.scorers.labels import HALLMARKS, named_labels


def count_hallmarks(scorables: Sequence[Scorable], substrings: bool = False) -> list[Statistics | None]:
    """tp, fp, fn of each hallmark; ``substrings``: a name anywhere in the lower-cased text counts, as in the reference."""
    scores: list[Statistics | None] = []
    for s in scorables:
        if not (s.references or s.labels):
            scores.append(None)
            continue
        gold = _hallmarks(s.references[0] if s.references else ", ".join(s.labels), substrings)
        said = _hallmarks(s.answer, substrings)
        counts: list[float] = []
        for name in HALLMARKS.labels:
            counts += (float(name in gold and name in said), float(name in said - gold), float(name in gold - said))
        scores.append(tuple(counts))
    return scores


def _hallmarks(text: str, substrings: bool) -> set[str]:
    if not substrings:
        return set(named_labels(text, HALLMARKS))
    lower = text.lower()
    return {name for name in HALLMARKS.labels if name in lower}


_ALL_TEN = "As the reference: the mean over all ten classes, one without a case counting as 0."
_MEANINGS = {
    "f1": "F1 of each hallmark of cancer",
    "precision": "The share of the times a hallmark of cancer is named that are right",
    "recall": "The share of the texts with a hallmark of cancer in which it is named",
}


def _metric(key: str, part: str, *, paper: bool) -> Metric:
    classes = "all ten" if paper else "those that some gold answer has"
    return counted(
        key,
        f"Macro {part.replace('f1', 'F1')}" + " (ten classes)" * paper,
        partial(count_hallmarks, substrings=paper),
        f"macro_{part}_{'all' if paper else 'gold'}_classes",
        f"{_MEANINGS[part]}, averaged over {classes}, so that rare ones count as much as common ones.",
        f"{PAPER}4.10." if paper else OURS,
        _ALL_TEN if paper else "",
    )


HOC_MACRO_F1 = _metric("hoc_macro_f1", "f1", paper=True)
HOC_MACRO_PRECISION = _metric("hoc_macro_precision", "precision", paper=True)
HOC_MACRO_RECALL = _metric("hoc_macro_recall", "recall", paper=True)
HOC_F1 = _metric("hoc_f1", "f1", paper=False)
HOC_PRECISION = _metric("hoc_precision", "precision", paper=False)
HOC_RECALL = _metric("hoc_recall", "recall", paper=False)
