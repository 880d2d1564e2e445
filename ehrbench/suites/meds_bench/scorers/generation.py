"""BLEU-1 and the set form of ROUGE-L, as MedS-Bench's scripts compute them, and true ROUGE beside them for any script.

The reference's five scripts treat an empty answer in four ways (docs/metrics-meds-bench.md); where one would crash, the item
scores 0 and counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Literal, NamedTuple

from ehrbench.metrics._texts import Encoder, Memo, best_of_references
from ehrbench.metrics.metric import Metric, Scorable, Statistics
from ehrbench.suites.meds_bench.scorers import OURS, PAPER
from ehrbench.suites.meds_bench.scorers._cells import is_missing
from ehrbench.suites.meds_bench.scorers._tokens import Tokenizer, library, missing, tokenizer

Measure = Literal["bleu_1", "rouge_l_set", "rouge_1", "rouge_l"]
Script = Literal["plain", "explanation", "rationale", "ebms", "lower"]


class _Texts(NamedTuple):
    """How a script prepares the two sides, and which answers it leaves out."""

    answer: Callable[[str], str]
    reference: Callable[[str], str]
    skips: Callable[[str], bool]
    note: str = ""


def _as_is(text: str) -> str:
    return text


def _never(answer: str) -> bool:
    return False


def _is_blank(answer: str) -> bool:
    return bool(answer) and not answer.strip()


def _ebms_answer(text: str) -> str:
    return text.strip().lower()


def _ebms_gold(text: str) -> str:
    return text.replace(".", "").strip().lower()


_SCRIPTS: dict[Script, _Texts] = {
    "plain": _Texts(_as_is, _as_is, _never),
    "explanation": _Texts(
        _as_is,
        _as_is,
        is_missing,
        "As the reference: empty answers are left out of the mean, which favours silence.",
    ),
    "rationale": _Texts(
        str.strip,
        str.strip,
        _is_blank,
        "As the reference: answers of blanks are left out; an empty one (it crashes) is 0.",
    ),
    "ebms": _Texts(_ebms_answer, _ebms_gold, _never, "As the reference: full stops are deleted from the gold answer only."),
    "lower": _Texts(str.lower, str.lower, _never),
}


@lru_cache(maxsize=8)
def _encoder(name: Tokenizer) -> Encoder:
    return Encoder(tokenizer(name))


def bleu_1(answers: Sequence[str], references: Sequence[str], name: Tokenizer) -> list[float]:
    """Clipped unigram precision times the brevity penalty, one reference; 0 without a match or without a token."""
    import numpy as np

    from ehrbench.metrics._ngrams import clipped_matches, lengths

    a, r = _encoder(name).pairs(answers, references)
    matches = clipped_matches(a, r, 1)[:, 0]
    n_answer, n_reference = lengths(a), lengths(r)
    there = np.maximum(n_answer, 1)
    brevity = np.where(n_answer > n_reference, 1.0, np.exp(np.minimum(1 - n_reference / there, 0.0)))
    scores: list[float] = np.where(matches > 0, brevity * (matches / there), 0.0).tolist()
    return scores


def rouge_l_set(answers: Sequence[str], references: Sequence[str], name: Tokenizer) -> list[float]:
    """``rouge``'s F; Chinese and Japanese go in as their tokens joined with blanks, other text as it is."""
    from ehrbench.suites.meds_bench.scorers._rouge_set import f_of_sentences, sentences

    if name in ("jieba", "janome"):
        tokenize = tokenizer(name)
        split = Memo(lambda text: sentences(" ".join(tokenize(text)))).__getitem__
    else:
        split = Memo(sentences).__getitem__
    return [f_of_sentences(split(a), split(r)) for a, r in zip(answers, references, strict=True)]


def _true_rouge(answers: Sequence[str], references: Sequence[str], name: Tokenizer, measure: Measure) -> list[float]:
    from rapidfuzz.distance.LCSseq import similarity

    from ehrbench.metrics._ngrams import clipped_matches
    from ehrbench.metrics.rouge import f_measure

    a, r = _encoder(name).pairs(answers, references)
    if measure == "rouge_1":
        common = clipped_matches(a, r, 1)[:, 0].tolist()
    else:
        common = [similarity(x.tolist(), y.tolist()) for x, y in zip(a, r, strict=True)]
    scores: list[float] = f_measure(common, [len(x) for x in a], [len(y) for y in r]).tolist()
    return scores


def _pairs(answers: Sequence[str], references: Sequence[str], measure: Measure, name: Tokenizer) -> list[float]:
    if measure == "bleu_1":
        return bleu_1(answers, references, name)
    if measure == "rouge_l_set":
        return rouge_l_set(answers, references, name)
    return _true_rouge(answers, references, name, measure)


def score(scorables: Sequence[Scorable], measure: Measure, name: Tokenizer, script: Script = "plain") -> list[Statistics | None]:
    """A measure of each item, the highest over its references; None for an answer that the script leaves out.

    Args:
        scorables: the answered items.
        measure: which.
        name: the tokeniser; ``rouge_l_set`` uses only Chinese and Japanese ones.
        script: whose preparation of the texts and rule for empty answers.
    """
    from dataclasses import replace

    texts = _SCRIPTS[script]
    kept = [
        replace(s, answer=texts.answer(s.answer), references=tuple(map(texts.reference, s.references)))
        for s in scorables
        if not texts.skips(s.answer)
    ]
    scores = iter(best_of_references(kept, partial(_pairs, measure=measure, name=name)))
    return [None if texts.skips(s.answer) else next(scores) for s in scorables]


_LABELS: dict[Measure, str] = {
    "bleu_1": "BLEU-1",
    "rouge_l_set": "ROUGE-L",
    "rouge_1": "ROUGE-1",
    "rouge_l": "ROUGE-L",
}
_IN_LABEL: dict[Script, str] = {
    "explanation": "explanation script",
    "rationale": "rationale script",
    "ebms": "EBMS script",
    "lower": "lower case",
}
_WORDS: dict[Tokenizer, str] = {
    "jieba": "Chinese",
    "words-jieba": "Chinese",
    "janome": "Japanese",
    "words-janome": "Japanese",
    "words": "words",
}
_SET_NOTE = "The paper prints this as ROUGE-1; it is ROUGE-L F over sets of distinct words."


_MEANINGS: dict[Measure, str] = {
    "bleu_1": "The share of the answer's words that are in the gold answer, with a penalty for short answers",
    "rouge_l_set": "Harmonic mean of the shares of distinct words on a longest common sequence with the gold, by sentence",
    "rouge_1": "Overlap of single words with the gold answer, wherever they stand (F measure)",
    "rouge_l": "The longest sequence of words that answer and gold answer share in the same order, gaps allowed (F measure)",
}
_PREPARED: dict[Script, str] = {
    "plain": "",
    "explanation": "; empty answers are left out",
    "rationale": "; both texts are trimmed",
    "ebms": "; both texts are trimmed and in lower case, the gold without full stops",
    "lower": "; both texts are in lower case",
}
_CUT: dict[Tokenizer, str] = {
    "jieba": "; Chinese words are those of jieba",
    "words-jieba": "; Chinese words are those of jieba",
    "janome": "; Japanese words are those of janome",
    "words-janome": "; Japanese words are those of janome",
    "words": "; words are runs of letters and digits of any script",
}
_TRUE_ROUGE = "Lin. ROUGE: A Package for Automatic Evaluation of Summaries. Text Summarization Branches Out, 2004."


def _source(measure: Measure, name: Tokenizer, script: Script) -> str:
    if measure in ("rouge_1", "rouge_l"):
        return _TRUE_ROUGE
    if name == "words" or script == "lower":
        return OURS
    return f"{PAPER}4.0."


def _metric(key: str, measure: Measure, name: Tokenizer = "nltk-3.8", script: Script = "plain") -> Metric:
    about = ", ".join(filter(None, ("word sets" * (measure == "rouge_l_set"), _WORDS.get(name), _IN_LABEL.get(script))))
    raw = measure == "rouge_l_set" and name == "nltk-3.8"
    notes = [_SET_NOTE if measure == "rouge_l_set" else "", _SCRIPTS[script].note]
    return Metric(
        key,
        2 if script == "ebms" else 1,  # 2: both sides are stripped
        _LABELS[measure] + (f" ({about})" if about else ""),
        "item_mean",
        partial(score, measure=measure, name=name, script=script),
        settings={
            "tokenizer": "raw" if raw else name,
            "text": script,
            "references": "max",
            **({"measure": "f"} if measure != "bleu_1" else {}),
        },
        libraries=library(name),
        about=f"{_MEANINGS[measure]}{_CUT.get(name, '')}{_PREPARED[script]}.",
        cite=_source(measure, name, script),
        note=" ".join(filter(None, notes)),
        unavailable=partial(missing, name),
    )


BLEU_1 = _metric("bleu_1", "bleu_1")
BLEU_1_ZH = _metric("bleu_1_zh", "bleu_1", "jieba")
BLEU_1_JA = _metric("bleu_1_ja", "bleu_1", "janome")
BLEU_1_WORDS = _metric("bleu_1_words", "bleu_1", "words")
BLEU_1_LOWER = _metric("bleu_1_lower", "bleu_1", script="lower")
BLEU_1_EXPLANATION = _metric("bleu_1_explanation", "bleu_1", script="explanation")
BLEU_1_RATIONALE = _metric("bleu_1_rationale", "bleu_1", script="rationale")
BLEU_1_RATIONALE_ZH = _metric("bleu_1_rationale_zh", "bleu_1", "jieba", "rationale")
BLEU_1_RATIONALE_JA = _metric("bleu_1_rationale_ja", "bleu_1", "janome", "rationale")
BLEU_1_EBMS = _metric("bleu_1_ebms", "bleu_1", script="ebms")
ROUGE_L_SET = _metric("rouge_l_set", "rouge_l_set")
ROUGE_L_SET_ZH = _metric("rouge_l_set_zh", "rouge_l_set", "jieba")
ROUGE_L_SET_JA = _metric("rouge_l_set_ja", "rouge_l_set", "janome")
ROUGE_L_SET_LOWER = _metric("rouge_l_set_lower", "rouge_l_set", script="lower")
ROUGE_L_SET_EXPLANATION = _metric("rouge_l_set_explanation", "rouge_l_set", script="explanation")
ROUGE_L_SET_RATIONALE = _metric("rouge_l_set_rationale", "rouge_l_set", script="rationale")
ROUGE_L_SET_RATIONALE_ZH = _metric("rouge_l_set_rationale_zh", "rouge_l_set", "jieba", "rationale")
ROUGE_L_SET_RATIONALE_JA = _metric("rouge_l_set_rationale_ja", "rouge_l_set", "janome", "rationale")
ROUGE_L_SET_EBMS = _metric("rouge_l_set_ebms", "rouge_l_set", script="ebms")
ROUGE_1_WORDS = _metric("rouge_1_words", "rouge_1", "words")
ROUGE_1_ZH = _metric("rouge_1_zh", "rouge_1", "words-jieba")
ROUGE_1_JA = _metric("rouge_1_ja", "rouge_1", "words-janome")
ROUGE_L_WORDS = _metric("rouge_l_words", "rouge_l", "words")
ROUGE_L_ZH = _metric("rouge_l_zh", "rouge_l", "words-jieba")
ROUGE_L_JA = _metric("rouge_l_ja", "rouge_l", "words-janome")
