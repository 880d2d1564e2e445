"""The hallmarks of cancer: macro precision, recall and F1 over ten classes of which a text may have several."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ehrbench.metrics.metric import Scorable, Statistics
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
_BY_SUBSTRING = partial(count_hallmarks, substrings=True)
HOC_MACRO_F1 = counted("hoc_macro_f1", "Macro F1 (ten classes)", _BY_SUBSTRING, "macro_f1_all_classes", _ALL_TEN)
HOC_MACRO_PRECISION = counted(
    "hoc_macro_precision", "Macro precision (ten classes)", _BY_SUBSTRING, "macro_precision_all_classes", _ALL_TEN
)
HOC_MACRO_RECALL = counted("hoc_macro_recall", "Macro recall (ten classes)", _BY_SUBSTRING, "macro_recall_all_classes", _ALL_TEN)
HOC_F1 = counted("hoc_f1", "Macro F1", count_hallmarks, "macro_f1_gold_classes")
HOC_PRECISION = counted("hoc_precision", "Macro precision", count_hallmarks, "macro_precision_gold_classes")
HOC_RECALL = counted("hoc_recall", "Macro recall", count_hallmarks, "macro_recall_gold_classes")
