"""What a run's predictions add up to beside scores: outcomes, context and usage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median, quantiles
from typing import Any

from ehrbench.results.schema import OUTCOMES, SCORED_OUTCOMES, AnswerInfo, ContextInfo, Outcome, Usage
from ehrbench.runs.prediction import Prediction, Step


def count_outcomes(predictions: Iterable[Prediction]) -> dict[Outcome, int]:
    """How many items ended in each outcome, the outcomes that occur."""
    counts = Counter(prediction.outcome for prediction in predictions)
    return {name: counts[name] for name in OUTCOMES if counts[name]}  # type: ignore[misc, index]


def context_info(config: Mapping[str, Any], predictions: Sequence[Prediction]) -> ContextInfo | None:
    """How much of the records the model saw."""
    context = config.get("context")
    if context is None:
        return None
    fitted = [p for p in predictions if p.record_tokens is not None and p.record_tokens_seen is not None]
    shares = [p.record_tokens_seen / p.record_tokens if p.record_tokens else 1.0 for p in fitted]  # type: ignore[operator]
    quartiles = quantiles(shares, n=4) if len(shares) > 1 else None
    return ContextInfo(
        policy=context["context"] + (f"-{context['keep']}" if context["context"] == "truncate" else ""),
        window=context["window"],
        tokenizer=context["tokenizer"],
        n_records_cut=sum(share < 1 for share in shares),
        share_seen_median=median(shares) if shares else None,
        share_seen_quartiles=(max(0.0, quartiles[0]), min(1.0, quartiles[2])) if quartiles else None,
        steps_mean=sum(len(p.steps) for p in predictions) / len(predictions) if predictions else 0.0,
    )


def answer_info(predictions: Sequence[Prediction]) -> AnswerInfo:
    """What is to be known of the answers beside their scores."""
    last = [prediction.steps[-1] for prediction in predictions if prediction.steps]
    masses = [step.mass for step in last if step.mass is not None and step.finish == "stop"]
    doubts = Counter(doubt for p in predictions for doubt in {doubt for step in p.steps for doubt in step.doubts})
    return AnswerInfo(
        empty=sum(p.outcome in SCORED_OUTCOMES and not (p.answer or "").strip() for p in predictions),
        at_limit=sum(step.finish == "length" for step in last),
        doubts=dict(sorted(doubts.items())),
        choice_mass_median=median(masses) if masses else None,
    )


def add_usage(predictions: Iterable[Prediction]) -> Usage:
    """Calls, tokens, cost and model seconds over all steps."""
    steps = [step for prediction in predictions for step in prediction.steps]
    costs = [step.cost for step in steps if step.cost is not None]
    return Usage(
        calls=len(steps),
        prompt_tokens=_total(steps, "prompt_tokens"),
        answer_tokens=_total(steps, "answer_tokens"),
        reasoning_tokens=_total(steps, "reasoning_tokens"),
        cached_tokens=_total(steps, "cached_tokens"),
        cost=sum(costs) if costs else None,
        seconds=round(sum(step.seconds for step in steps), 3),
    )


def _total(steps: Sequence[Step], name: str) -> int:
    return sum(getattr(step, name) or 0 for step in steps)
