"""chrF++ of each answer with sacrebleu's numbers (character n-grams to 6, word n-grams to 2, recall weighted 2).

Values are in 0..1 where sacrebleu prints 0..100. White space does not count; case does. An empty answer or reference scores 0.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ehrbench.metrics._texts import Encoder, Memo, best_of_references, by_word
from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.metrics.reading import Reading, nearest, shared, shared_runs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CHAR_ORDER, WORD_ORDER, BETA = 6, 2, 2


def split_punctuation(word: str) -> tuple[str, ...]:
    """Take one ASCII punctuation mark off a word: the last character if it is one, else the first."""
    if len(word) > 1:
        if word[-1] in string.punctuation:
            return word[:-1], word[-1]
        if word[0] in string.punctuation:
            return word[0], word[1:]
    return (word,)


def _characters(text: str) -> npt.NDArray[np.int32]:
    import numpy as np

    return np.frombuffer("".join(text.split()).encode("utf-32-le", "surrogatepass"), dtype="<i4")


def _chrf_pp(answers: Sequence[str], references: Sequence[str]) -> npt.NDArray[np.float64]:
    import numpy as np

    from ehrbench.metrics._ngrams import clipped_matches, totals

    matches, in_answer, in_reference = [], [], []
    characters = Memo(_characters)
    texts = [characters[text] for text in answers], [characters[text] for text in references]
    for (a, r), order in ((texts, CHAR_ORDER), (Encoder(by_word(split_punctuation)).pairs(answers, references), WORD_ORDER)):
        matches.append(clipped_matches(a, r, order))
        in_answer.append(totals(a, order))
        in_reference.append(totals(r, order))
    matched, answer, reference = (np.concatenate(parts, axis=1) for parts in (matches, in_answer, in_reference))
    # Orders that one of the texts is too short for are left out of the average ("effective order").
    counted = (answer > 0) & (reference > 0)
    orders = np.maximum(counted.sum(axis=1), 1)
    precision = np.divide(matched, answer, out=np.zeros(matched.shape), where=counted).sum(axis=1) / orders
    recall = np.divide(matched, reference, out=np.zeros(matched.shape), where=counted).sum(axis=1) / orders
    weighted = BETA**2 * precision + recall
    scores = np.zeros(len(answers))
    np.divide((1 + BETA**2) * precision * recall, weighted, out=scores, where=weighted > 0)
    return scores


def _reads(scorable: Scorable) -> Reading:
    gold = nearest(scorable, _chrf_pp)
    split = by_word(split_punctuation)
    lines = {}
    characters = ["".join(text.split()) for text in (scorable.answer, gold)]
    for n in range(1, CHAR_ORDER + 1):
        ours, theirs = (Counter(text[k : k + n] for k in range(len(text) - n + 1)) for text in characters)
        if ours or theirs:
            lines[f"shared runs of {n} character{'' if n == 1 else 's'}"] = shared(ours, theirs)
    return {**lines, **shared_runs([*map(str, split(scorable.answer))], [*map(str, split(gold))], range(1, WORD_ORDER + 1))}


def score_chrf_pp(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """chrF++ of each item, the highest over its references."""
    return best_of_references(scorables, _chrf_pp)


CHRF_PP = Metric(
    "chrf_pp",
    1,
    "chrF++",
    "item_mean",
    score_chrf_pp,
    settings={"char_order": CHAR_ORDER, "word_order": WORD_ORDER, "beta": BETA, "case": "mixed", "references": "max"},
    about="Overlap of sequences of up to six characters and two words with the gold answer; forgiving of inflection.",
    cite="Popović. chrF++: words helping character n-grams. WMT 2017.",
    reads=_reads,
    note="Mean of sentence scores, in 0..1.",
)
