"""BLEU with sacrebleu's numbers: counts an item, so that the corpus value and its interval need no second scoring.

``bleu`` is corpus BLEU (13a tokens, mixed case, exp smoothing); an item's own score is sacrebleu's sentence BLEU (effective
order). ``sentence_bleu`` is the mean of those. Several references are used as BLEU defines it: n-grams clipped at their highest
count in a reference, the length closest to the answer's. Values are in 0..1 where sacrebleu prints 0..100. An empty answer or
reference scores 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ehrbench.metrics._mteval import ORDER, counter_13a, tokenizer_13a
from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.metrics.reading import Reading, nearest, shared_runs


def score_bleu(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """Give correct[4], total[4], answer length, reference length of each item; None for an item without references."""
    import numpy as np

    out: list[Statistics | None] = [None] * len(scorables)
    single = [i for i, scorable in enumerate(scorables) if len(scorable.references) == 1]
    counts = counter_13a()([scorables[i].answer for i in single], [scorables[i].references[0] for i in single])
    columns = (counts.matches, counts.answer, counts.answer_length[:, None], counts.reference_length[:, None])
    for i, row in zip(single, np.concatenate(columns, axis=1, dtype=np.float64).tolist(), strict=True):
        out[i] = tuple(row)
    for i, scorable in enumerate(scorables):
        if len(scorable.references) > 1:
            out[i] = _several_references(scorable)
    return out


def _several_references(scorable: Scorable) -> Statistics:
    from sacrebleu.metrics.bleu import BLEU

    counted = BLEU(effective_order=True).sentence_score(scorable.answer, list(scorable.references))
    return (*map(float, counted.counts), *map(float, counted.totals), float(counted.sys_len), float(counted.ref_len))


def sentence_bleu(statistics: Statistics) -> float:
    """Sentence BLEU in 0..1 from an item's counts: orders up to the answer's length, exp smoothing (sacrebleu's default)."""
    correct, possible = statistics[:ORDER], statistics[ORDER : 2 * ORDER]
    answer, reference = statistics[2 * ORDER], statistics[2 * ORDER + 1]
    if not any(correct):
        return 0.0
    logs, smoothing = [], 1.0
    for matched, total in zip(correct, possible, strict=True):
        if total == 0:
            break
        if matched == 0:
            smoothing *= 2
            matched = 1 / smoothing
        logs.append(math.log(matched / total))
    brevity = 1 - reference / answer if answer < reference else 0.0
    return math.exp(brevity + sum(logs) / len(logs))


def score_sentence_bleu(scorables: Sequence[Scorable]) -> list[Statistics | None]:
    """Sentence BLEU of each item."""
    return [None if counts is None else (sentence_bleu(counts),) for counts in score_bleu(scorables)]


def _sentence_scores(answers: Sequence[str], references: Sequence[str]) -> list[float]:
    pairs = [Scorable("", answer, (reference,)) for answer, reference in zip(answers, references, strict=True)]
    return [sentence_bleu(counts) for counts in score_bleu(pairs) if counts is not None]


def _reads(scorable: Scorable) -> Reading:
    tokenize = tokenizer_13a()
    answer, gold = (list(map(str, tokenize(text))) for text in (scorable.answer, nearest(scorable, _sentence_scores)))
    lengths = f"{len(answer)} tokens in the answer, {len(gold)} in the gold answer"
    return {**shared_runs(answer, gold, range(1, ORDER + 1)), "length": lengths}


_SETTINGS = {"tokenizer": "13a", "case": "mixed", "smooth": "exp", "order": ORDER, "references": "clipped"}
_PAPERS = (
    "Papineni et al. BLEU: a Method for Automatic Evaluation of Machine Translation. ACL 2002; "
    "in the form of Post. A Call for Clarity in Reporting BLEU Scores. WMT 2018."
)

BLEU = Metric(
    "bleu",
    1,
    "BLEU",
    "corpus",
    score_bleu,
    aggregate="corpus_bleu",
    item_score=sentence_bleu,
    settings=_SETTINGS,
    libraries=("sacrebleu",),
    about="Overlap of sequences of one to four words with the gold answers, over all answers together; short ones are penalised.",
    cite=_PAPERS,
    reads=_reads,
    note="Corpus BLEU in 0..1; an item's own score is sentence BLEU.",
)
SENTENCE_BLEU = Metric(
    "sentence_bleu",
    1,
    "Sentence BLEU",
    "item_mean",
    score_sentence_bleu,
    settings={**_SETTINGS, "effective_order": True},
    libraries=("sacrebleu",),
    about="BLEU of each answer by itself, averaged over answers.",
    cite=_PAPERS,
    reads=_reads,
    note="Mean of sentence BLEU, in 0..1.",
)
