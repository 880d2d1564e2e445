"""F1 over the named entities of a sentence, summed over sentences: the reference's, which cuts letters, and a corrected one."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.metrics.reading import Reading, of_sets
from ehrbench.suites.meds_bench.scorers import OURS, PAPER
from ehrbench.suites.meds_bench.scorers._cells import is_missing

NONE_CUT = "there is no related enetity"
"""The release's word for an empty list, misspelled; the only one that the reference knows."""

_NONE = frozenset(
    (NONE_CUT, "there is no related entity", "there are no related entities", "no related entity", "no related entities", "none")
)
_OPEN, _CLOSE = "([{", ")]}"
_BULLET = re.compile(r"^\s*(?:[-*•]\s+|\d{1,3}[.)]\s+)")
_AROUND_MARKS = re.compile(r"\s*([^\w\s])\s*")


def entities_cut(cell: str) -> frozenset[str]:
    """The reference's set: all full stops deleted, lower case, *the last character cut*, split at ", " exactly."""
    text = cell.replace(".", "").strip().lower()
    return frozenset() if text == NONE_CUT else frozenset(text[:-1].split(", "))


@lru_cache(maxsize=1 << 16)
def entities(text: str) -> frozenset[str]:
    """The entities of a list: none for an empty text or a word for none.

    Parted by line ends, semicolons, and commas that a blank follows but none precedes, outside brackets (a comma inside a name,
    as "1,2-dichloroethane" or the tokenised "1 , 2 - dichloroethane", parts nothing). Compared without regard to case and to
    blanks around marks; one full stop at the end is not part of the last name.
    """
    names = []
    for line in text.strip().split("\n"):
        names += [_normal(name) for name in _split(_BULLET.sub("", line))]
    names = [name for name in names if name]
    return frozenset() if len(names) == 1 and names[0] in _NONE else frozenset(names)


def _split(line: str) -> list[str]:
    closed = all(line.count(a) == line.count(b) for a, b in zip(_OPEN, _CLOSE, strict=True))
    parts, start, depth = [], 0, 0
    for i, mark in enumerate(line):
        if closed and mark in _OPEN:
            depth += 1
        elif closed and mark in _CLOSE:
            depth -= 1
        elif depth <= 0 and (mark == ";" or (mark == "," and not line[i - 1 : i].isspace() and line[i + 1 : i + 2] in (" ", ""))):
            parts.append(line[start:i])
            start = i + 1
    return [*parts, line[start:]]


def _normal(name: str) -> str:
    name = name.strip()
    name = name[:-1] if name.endswith(".") else name
    return _AROUND_MARKS.sub(r"\1", " ".join(name.casefold().split()))


def _counts(said: frozenset[str], gold: frozenset[str]) -> Statistics:
    both = float(len(said & gold))
    return both, len(said) - both, len(gold) - both


def f1(statistics: Statistics) -> float:
    """F1 from true positives, false positives, false negatives; 0 where all are 0."""
    total = 2 * statistics[0] + statistics[1] + statistics[2]
    return 2 * statistics[0] / total if total else 0.0


def _share(statistics: Statistics, other: int) -> float:
    total = statistics[0] + statistics[other]
    return statistics[0] / total if total else 0.0


def _or_right(item_score: Callable[[Statistics], float]) -> Callable[[Statistics], float]:
    """An item's score, 1 where there is no entity and none was named: such an answer is right, and adds nothing to the sums."""
    return partial(_of_item, item_score=item_score)


def _of_item(statistics: Statistics, item_score: Callable[[Statistics], float]) -> float:
    return item_score(statistics) if any(statistics) else 1.0


def score(
    scorables: Sequence[Scorable], read: Callable[[str], frozenset[str]], skips: Callable[[str], bool] | None = None
) -> list[Statistics | None]:
    """True positives, false positives and false negatives against the closest gold list; None for an answer that is skipped."""
    scores: list[Statistics | None] = []
    for s in scorables:
        if not s.references or (skips and skips(s.answer)):
            scores.append(None)
        else:
            said = read(s.answer)
            scores.append(max((_counts(said, read(gold)) for gold in s.references), key=lambda c: (f1(c), -c[1] - c[2])))
    return scores


def _reads(s: Scorable, read: Callable[[str], frozenset[str]]) -> Reading:
    said = read(s.answer)
    golds: list[frozenset[str]] = sorted((read(gold) for gold in s.references), key=lambda gold: f1(_counts(said, gold)))
    return of_sets(said, golds[-1]) if golds else {}


NER_F1_CUT = Metric(
    "ner_f1_cut",
    1,
    "Micro F1 (last letter cut)",
    "set_f1",
    partial(score, read=entities_cut, skips=is_missing),
    aggregate="micro_f1",
    item_score=f1,
    settings={"entities": "reference", "empty": "skipped", "references": "max"},
    about="Harmonic mean of precision and recall of the named entities over all sentences, the last letter of each list cut.",
    cite=f"{PAPER}4.6.",
    reads=partial(_reads, read=entities_cut),
    note="As the reference: the last entity loses its last letter on both sides, so order matters; empty answers are left out.",
)


def _metric(key: str, label: str, aggregate: str, item_score: Callable[[Statistics], float], about: str) -> Metric:
    return Metric(
        key,
        2,  # 2: a right "none" has an item score of 1
        label,
        "set_f1",
        partial(score, read=entities),
        aggregate=aggregate,
        item_score=_or_right(item_score),
        settings={"entities": "normalized", "empty": "counted", "references": "max"},
        about=f"{about}, counted over all sentences.",
        reads=partial(_reads, read=entities),
        cite=OURS,
    )


NER_F1 = _metric("ner_f1", "Micro F1 (entities)", "micro_f1", f1, "Harmonic mean of precision and recall of the named entities")
NER_PRECISION = _metric(
    "ner_precision",
    "Micro precision (entities)",
    "micro_precision",
    partial(_share, other=1),
    "The share of the entities that answers name that are right",
)
NER_RECALL = _metric(
    "ner_recall",
    "Micro recall (entities)",
    "micro_recall",
    partial(_share, other=2),
    "The share of the right entities that answers name",
)
