"""Exact match and token F1, as SQuAD scores short answers."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from ehrbench.metrics._texts import Memo, best_of_references
from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.metrics.reading import Reading, listed, nearest, shared_runs

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize(text: str) -> str:
    """Lower case, without ASCII punctuation, without the words a, an and the, single spaces (SQuAD's rule, in its order)."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def _exact(answers: Sequence[str], references: Sequence[str]) -> list[float]:
    normal = Memo(normalize)
    return [float(normal[a] == normal[r]) for a, r in zip(answers, references, strict=True)]


def _strict(answers: Sequence[str], references: Sequence[str]) -> list[float]:
    return [float(a.strip() == r.strip()) for a, r in zip(answers, references, strict=True)]


def _f1(answer: list[str], reference: list[str]) -> float:
    if not answer or not reference:
        return float(answer == reference)
    common = sum((Counter(answer) & Counter(reference)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(answer), common / len(reference)
    return 2 * precision * recall / (precision + recall)


def _token_f1(answers: Sequence[str], references: Sequence[str]) -> list[float]:
    tokens = Memo(lambda text: normalize(text).split())
    return [_f1(tokens[a], tokens[r]) for a, r in zip(answers, references, strict=True)]


def score_exact(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """1 where answer and a reference are equal after ``normalize``."""
    return best_of_references(scorables, _exact)


def score_strict(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """1 where answer and a reference are equal but for white space at the ends."""
    return best_of_references(scorables, _strict)


def score_token_f1(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """F1 of the bags of normalised words; where one is empty, 1 if both are, else 0 (SQuAD 2.0)."""
    return best_of_references(scorables, _token_f1)


def _reads_normal(scorable: Scorable) -> Reading:
    return {"compared": normalize(scorable.answer), "with": listed([normalize(gold) for gold in scorable.references])}


def _reads_strict(scorable: Scorable) -> Reading:
    return {"compared": scorable.answer.strip(), "with": listed([gold.strip() for gold in scorable.references])}


def _reads_tokens(scorable: Scorable) -> Reading:
    gold = nearest(scorable, _token_f1)
    return shared_runs(normalize(scorable.answer).split(), normalize(gold).split(), (1,))


_NORMAL = {"normalize": "squad", "references": "max"}

_SQUAD = "Rajpurkar et al. SQuAD: 100,000+ Questions for Machine Comprehension of Text. EMNLP 2016."

EXACT_MATCH = Metric(
    "exact_match",
    1,
    "Exact match",
    "item_mean",
    score_exact,
    settings=_NORMAL,
    about="The share of answers equal to a gold answer once case, punctuation and articles are removed.",
    cite=_SQUAD,
    reads=_reads_normal,
)
EXACT_MATCH_STRICT = Metric(
    "exact_match_strict",
    1,
    "Exact match (strict)",
    "item_mean",
    score_strict,
    settings={"normalize": "strip", "references": "max"},
    about="The share of answers equal to a gold answer, character by character; only white space at the ends is removed.",
    cite="ehrbench, docs/metrics.md.",
    reads=_reads_strict,
)
TOKEN_F1 = Metric(
    "token_f1",
    1,
    "Token F1",
    "item_mean",
    score_token_f1,
    settings=_NORMAL,
    about="How many words answer and gold answer share: the harmonic mean of precision and recall, case and articles aside.",
    cite=_SQUAD,
    reads=_reads_tokens,
)
