"""Free lists of labels against a gold set: EHR-Bench's decision-making tasks (protocol page, sections 4.2 and 4.3).

``*_strict`` reproduce the released scorer to the letter; the others read lists as people and models write them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from ehrbench.metrics.metric import Kind, Metric, Need, Scorable, Statistics
from ehrbench.metrics.reading import Reading, listed, of_sets

Score = Callable[[Sequence[Scorable]], Sequence[Statistics | None]]
Rule = Callable[[str, Sequence[str]], tuple[float, float, float]]
_MARKER = re.compile(r"^(?:[-*•–]\s+|\(?\d{1,3}[.)]\s+)")
_QUOTES = "\"'“”‘’`"


def strict_pieces(text: str) -> list[str]:
    r"""The lines of an answer, stripped, blank ones kept; the two characters ``\n`` separate where they occur at all."""
    return [piece.strip() for piece in (text.split("\\n") if "\\n" in text else text.split("\n"))]


def clean_pieces(text: str) -> list[str]:
    """The labels in an answer: one per line, without list markers, surrounding quotes, code fences and final dots.

    Commas never separate, because names of diagnoses and drugs hold them.
    """
    lines = text.replace("\\n", "\n").splitlines()
    return [label for line in lines if not line.strip().startswith("```") and (label := clean_label(line))]


def clean_label(text: str) -> str:
    """One label without marker, surrounding quotes, emphasis and final dot."""
    label = _MARKER.sub("", text.strip()).strip()
    if len(label) > 1 and label[0] == label[-1] == "*":
        label = label.strip("*").strip()
    while len(label) > 1 and label[0] in _QUOTES and label[-1] in _QUOTES:
        label = label[1:-1].strip()
    return label.rstrip(".").rstrip()


def precision_recall_f1(gold: set[str], found: set[str]) -> tuple[float, float, float]:
    """Of two sets; 0 where undefined."""
    hits = len(gold & found)
    precision = hits / len(found) if found else 0.0
    recall = hits / len(gold) if gold else 0.0
    return precision, recall, 2 * precision * recall / (precision + recall) if hits else 0.0


def score_strict(answer: str, gold: Sequence[str]) -> tuple[float, float, float]:
    """Precision, recall and F1 as released: both sides lower-cased, the gold not stripped, a blank line a label too."""
    return precision_recall_f1({label.lower() for label in gold}, {piece.lower() for piece in strict_pieces(answer)})


def score_clean(answer: str, gold: Sequence[str]) -> tuple[float, float, float]:
    """Precision, recall and F1 of the sets of labels, case and layout aside."""
    return precision_recall_f1(
        {clean_label(label).casefold() for label in gold}, {piece.casefold() for piece in clean_pieces(answer)}
    )


def score_part(rule: Rule, part: int, scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """Precision (0), recall (1) or F1 (2) of each item under a rule."""
    return [(rule(s.answer, s.labels)[part],) for s in scorables]


def _reads_sets(scorable: Scorable, rule: Rule) -> Reading:
    if rule is score_strict:
        return of_sets({piece.lower() for piece in strict_pieces(scorable.answer)}, {label.lower() for label in scorable.labels})
    said = {piece.casefold() for piece in clean_pieces(scorable.answer)}
    return of_sets(said, {clean_label(label).casefold() for label in scorable.labels})


def _reads_first_line(scorable: Scorable) -> Reading:
    return {"read": next(iter(clean_pieces(scorable.answer)), ""), "gold": listed(scorable.references)}


def score_prefix(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """1 where the answer starts with the gold, letter by letter (``not likely`` starts with ``no``)."""
    return [(float(bool(s.references) and s.answer.startswith(s.references[0])),) for s in scorables]


def score_first_line(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """1 where the first line that is not blank is the gold, case and layout aside."""
    rows: list[Statistics | None] = []
    for s in scorables:
        first = next(iter(clean_pieces(s.answer)), "")
        rows.append((float(any(first.casefold() == clean_label(r).casefold() for r in s.references)),))
    return rows


_PAPER = "Liao et al. EHR-R1. arXiv:2510.25628; "
_LIST = _PAPER + "protocol page of EHR-Bench, section 4.2."
_NEXT = _PAPER + "protocol page of EHR-Bench, section 4.3."
_EXACTLY = "; case is not compared, numbering and bullets are, as in the authors' code"
_MILDLY = "; case, numbering and bullets are not compared"


def _metric(name: str, label: str, score: Score, need: Need, about: str, cite: str = _LIST, note: str = "") -> Metric:
    kind: Kind = "set_f1" if need == "labels" else "item_mean"
    return Metric(
        name=name, version=1, label=label, kind=kind, score=score, needs=frozenset({need}), about=about, cite=cite, note=note
    )


def _of_sets(name: str, label: str, rule: Rule, part: int, note: str = "") -> Metric:
    meaning = (
        "The share of the listed items that are in the gold set",
        "The share of the gold set that the answer lists",
        "Harmonic mean of precision and recall of the listed items against the gold set",
    )[part]
    how = _EXACTLY if rule is score_strict else _MILDLY
    about = f"{meaning}, averaged over items{how}."
    return replace(
        _metric(name, label, partial(score_part, rule, part), "labels", about, note=note), reads=partial(_reads_sets, rule=rule)
    )


SET_F1 = _of_sets("set_f1", "Set F1", score_clean, 2)
SET_PRECISION = _of_sets("set_precision", "Set precision", score_clean, 0)
SET_RECALL = _of_sets("set_recall", "Set recall", score_clean, 1)
SET_F1_STRICT = _of_sets("set_f1_strict", "Set F1, strict", score_strict, 2, "as released")
SET_PRECISION_STRICT = _of_sets("set_precision_strict", "Set precision, strict", score_strict, 0)
SET_RECALL_STRICT = _of_sets("set_recall_strict", "Set recall, strict", score_strict, 1)
PREFIX_MATCH = _metric(
    "prefix_match",
    "Accuracy, strict",
    score_prefix,
    "reference",
    "The share of answers that begin with the gold answer, letter by letter.",
    _NEXT,
    "as released: the answer begins with it",
)
FIRST_LINE_MATCH = _metric(
    "first_line_match",
    "Accuracy",
    score_first_line,
    "reference",
    "The share of answers whose first line is the gold answer, case and layout aside.",
    _NEXT,
)
FIRST_LINE_MATCH = replace(FIRST_LINE_MATCH, reads=_reads_first_line)
