"""GoogleBLEU (GLEU of Wu et al. 2016, section 5.2) of each answer, with NLTK's numbers on 13a tokens.

MedAlign's setting: ``evaluate``'s google_bleu called for one pair. Matching n-grams (n = 1 to 4, all in one bag) over the larger
of the two texts' n-gram counts: the smaller of precision and recall. An empty answer or reference scores 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ehrbench.metrics._mteval import ORDER, counter_13a, tokenizer_13a
from ehrbench.metrics._texts import best_of_references
from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.metrics.reading import Reading, nearest, shared_runs

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


def _google_bleu(answers: Sequence[str], references: Sequence[str]) -> npt.NDArray[np.float64]:
    import numpy as np

    counts = counter_13a()(answers, references)
    larger = np.maximum(counts.answer.sum(axis=1), counts.reference.sum(axis=1))
    scores: npt.NDArray[np.float64] = counts.matches.sum(axis=1) / np.maximum(larger, 1)
    return scores


def score_google_bleu(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """GLEU of each item, the highest over its references."""
    return best_of_references(scorables, _google_bleu)


def _reads(scorable: Scorable) -> Reading:
    tokenize = tokenizer_13a()
    answer, gold = (list(map(str, tokenize(text))) for text in (scorable.answer, nearest(scorable, _google_bleu)))
    return shared_runs(answer, gold, range(1, ORDER + 1))


GOOGLE_BLEU = Metric(
    "google_bleu",
    1,
    "GoogleBLEU",
    "item_mean",
    score_google_bleu,
    settings={"tokenizer": "13a", "order": f"1-{ORDER}", "references": "max"},
    libraries=("sacrebleu",),
    about="The smaller of precision and recall of word sequences of one to four words.",
    cite="Wu et al. Google's Neural Machine Translation System. arXiv:1609.08144, 2016 (there called GLEU).",
    reads=_reads,
)
