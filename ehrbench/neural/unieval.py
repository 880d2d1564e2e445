"""UniEval's summarisation scores (Zhong et al. 2022): a T5 that answers yes-or-no questions about an answer.

A score is P(Yes) / (P(Yes) + P(No)). Coherence and relevance are asked about the whole answer; consistency and fluency about each
of NLTK's sentences, and averaged; overall is the mean of the four. Coherence and consistency see snippets of the record
(``bm25-source-1``), relevance sees the reference, the highest of several counts. An answer without a sentence is asked
about as an empty one. The questions are UniEval's own; its input ends at 1,024 tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from ehrbench.metrics.arguments import Settings
from ehrbench.metrics.metric import Metric, Scorable, ScoredAll, SourceRule, Statistics
from ehrbench.neural.client import Scorer
from ehrbench.neural.comet import source_settings
from ehrbench.neural.remote import Share, cut_note, in_worker, transformers_checkpoint, unconfigured

CHECKPOINT = "MingZhong/unieval-sum"
DIMENSIONS = ("coherence", "consistency", "fluency", "relevance")
_NEEDS = {
    "coherence": frozenset({"source", "question"}),
    "consistency": frozenset({"source", "question"}),
    "fluency": frozenset({"question"}),
    "relevance": frozenset({"reference"}),
    "overall": frozenset({"reference", "source", "question"}),
}


def coherence_input(answer: str, source: str) -> str:
    """The question about the whole answer and the source."""
    return f"question: Is this a coherent summary to the document? </s> summary: {answer} </s> document: {source}"


def consistency_input(sentence: str, source: str) -> str:
    """The question about one sentence and the source."""
    return f"question: Is this claim consistent with the document? </s> claim: {sentence} </s> document: {source}"


def fluency_input(sentence: str) -> str:
    """The question about one sentence."""
    return f"question: Is this a fluent paragraph? </s> paragraph: {sentence}"


def relevance_input(answer: str, reference: str) -> str:
    """The question about the whole answer and a reference."""
    return f"question: Is this summary relevant to the reference? </s> summary: {answer} </s> reference: {reference}"


def sentence_splitter() -> Callable[[str], list[str]]:
    """NLTK's sentences of a text; an empty one for a text without any."""
    from ehrbench.metrics._punkt import SentenceSplitter, english

    split = SentenceSplitter(english()).split
    return lambda text: split(text) or [""]


def inputs(dimension: str, scorable: Scorable, sentences: Sequence[str]) -> Iterator[str]:
    """What the model is asked about one answer in one dimension, in order."""
    if dimension == "coherence":
        yield coherence_input(scorable.answer, scorable.source or "")
    elif dimension == "relevance":
        yield from (relevance_input(scorable.answer, reference) for reference in scorable.references)
    elif dimension == "fluency":
        yield from map(fluency_input, sentences)
    else:
        yield from (consistency_input(sentence, scorable.source or "") for sentence in sentences)


def combine(dimension: str, values: Sequence[float]) -> float:
    """One dimension's score: the highest over references, the mean over sentences."""
    return max(values) if dimension == "relevance" else sum(values) / len(values)


def score_dimensions(
    scorer: Scorer, dimensions: Sequence[str], scorables: Sequence[Scorable], done: Callable[[int], None]
) -> ScoredAll:
    """The mean over the dimensions of each item; None where one of them is undefined."""
    split = sentence_splitter()
    asked = []
    for s in scorables:
        sentences = split(s.answer)
        asked.append([list(inputs(dimension, s, sentences)) for dimension in dimensions])
    rows = [{"text": text} for parts in asked for texts in parts for text in texts]
    scores, n_cut = scorer.score(rows, Share(len(scorables), len(rows), done)) if rows else ([], 0)
    values = iter(scores)
    statistics: list[Statistics | None] = []
    for parts in asked:
        found = [[next(values) for _ in texts] for texts in parts]
        if all(found):
            means = [combine(dimension, one) for dimension, one in zip(dimensions, found, strict=True)]
            statistics.append((sum(means) / len(means),))
        else:
            statistics.append(None)
    return ScoredAll(statistics, cut_note(n_cut, len(rows)))


def _room(scorer: Scorer, scorables: Sequence[Scorable]) -> list[int]:
    """What the question and the answer leave of the input."""
    room, _ = scorer.limits()
    taken = scorer.count([coherence_input(s.answer, "") for s in scorables])
    return [room - n for n in taken]


def configure(given: Mapping[str, str], *, name: str) -> Metric:
    """One of the five scores under the arguments ``unieval.*``."""
    dimensions = DIMENSIONS if name == "overall" else (name,)

    def complete(scorer: Scorer, settings: Settings) -> dict[str, Any]:
        fields: dict[str, Any] = {"score_all": partial(score_dimensions, scorer, dimensions), "settings": {}}
        if "source" in _NEEDS[name]:
            mode, words, shown = source_settings(settings, None)
            fields["source"] = SourceRule(mode, scorer.count, partial(_room, scorer), words)
            fields["settings"]["source"] = shown
        if name not in ("coherence", "relevance"):
            fields["settings"]["sentences"] = "punkt-english-classic"
        return fields

    find = partial(transformers_checkpoint, "UniEval", CHECKPOINT)
    return in_worker(_METRICS[name], "unieval", "transformers", given, find, complete)


_ASKED = {
    "coherence": "whether the answer follows from the parts of the record that it is given and hangs together",
    "consistency": "whether each sentence of the answer agrees with the parts of the record that it is given",
    "fluency": "whether each sentence of the answer is fluent",
    "relevance": "whether the answer holds what the gold answer holds",
}


def _about(name: str) -> str:
    if name == "overall":
        return "The mean of the four UniEval scores: coherence, consistency, fluency and relevance."
    return f"A trained model's probability of yes to the question {_ASKED[name]}."


def _metric(name: str) -> Metric:
    return Metric(
        f"unieval_{name}",
        1,
        f"UniEval {name.capitalize()}",
        "item_mean",
        needs=_NEEDS[name],  # type: ignore[arg-type]
        processes=False,
        tolerance=1e-4,
        about=_about(name),
        cite="Zhong et al. Towards a Unified Multi-Dimensional Evaluator for Text Generation. EMNLP 2022.",
        settings={"task": "summarization", "references": "max"} if "reference" in _NEEDS[name] else {"task": "summarization"},
        **unconfigured(partial(configure, name=name)),
    )


_METRICS = {name: _metric(name) for name in (*DIMENSIONS, "overall")}
COHERENCE, CONSISTENCY, FLUENCY, RELEVANCE, OVERALL = (_METRICS[name] for name in (*DIMENSIONS, "overall"))
