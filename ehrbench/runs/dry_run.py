"""What a run would take, before it starts: items, calls, tokens and cost. Nothing is sent and nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ehrbench.errors import UsageError
from ehrbench.models.capabilities import Priced
from ehrbench.runs.plan import plan_work
from ehrbench.runs.prediction import Prediction
from ehrbench.runs.prepared import Prepared
from ehrbench.runs.repeats import answers_wanted


class Estimate(NamedTuple):
    """The size of one task's run."""

    task: str
    items: int
    calls: int
    prompt_tokens: int
    """Over all calls."""
    largest_prompt: int
    answer_tokens: int
    """At most, over all calls, thinking included."""
    cut: int
    """Items whose record is not seen whole."""
    overflow: int
    """Items that cannot be asked within the window."""
    unreadable: int
    """Items whose record cannot be read."""
    tokenizer: str
    """Whose tokens these are."""
    cost: float | None
    """US dollars at most; None where no prices are known."""


class Total(NamedTuple):
    """The size of several runs together."""

    items: int
    calls: int
    prompt_tokens: int
    answer_tokens: int
    cost: float | None
    """None where the price of one is not known."""


def total_of(estimates: Sequence[Estimate]) -> Total:
    """What several runs take together."""
    costs = [one.cost for one in estimates if one.cost is not None]
    return Total(
        items=sum(one.items for one in estimates),
        calls=sum(one.calls for one in estimates),
        prompt_tokens=sum(one.prompt_tokens for one in estimates),
        answer_tokens=sum(one.answer_tokens for one in estimates),
        cost=sum(costs) if len(costs) == len(estimates) else None,
    )


def estimate_run(run: Prepared) -> Estimate:
    """Make every prompt of a run and count it; a later refinement prompt is counted without the answer it will carry."""
    from ehrbench.models.words import WordTokenizer

    tokenizer = run.tokenizer or WordTokenizer()
    generation = run.task.generation
    times = answers_wanted(run.task) if generation.temperature > 0 else 1
    calls = prompt_tokens = largest = cut = overflow = unreadable = 0
    for work in plan_work(run, run.items, ""):
        if isinstance(work, Prediction):
            overflow += work.outcome == "overflow"
            unreadable += work.outcome != "overflow"
            continue
        cut += bool(work.fitted and work.fitted.cut)
        for step in range(work.length):
            tokens = work.prompt_tokens(step, tokenizer)
            calls += times
            prompt_tokens += times * tokens
            largest = max(largest, tokens)
    answer_tokens = calls * (generation.max_tokens + (generation.max_reasoning_tokens if run.model.thinks else 0))
    cost = run.model.price(prompt_tokens, answer_tokens) if isinstance(run.model, Priced) else None
    return Estimate(
        run.task.task,
        len(run.items),
        calls,
        prompt_tokens,
        largest,
        answer_tokens,
        cut,
        overflow,
        unreadable,
        tokenizer.name,
        cost,
    )


def exact_prompt(runs: Sequence[Prepared], item: str) -> Iterator[str]:
    """The exact text of an item's first prompt, as the model would be given it.

    Raises:
        UsageError: no such item, or it cannot be asked within the window.
    """
    for run in runs:
        for found in (i for i in run.items if i.id == item):
            (work,) = plan_work(run, [found], "")
            if isinstance(work, Prediction):
                raise UsageError(f"item {run.task.task}/{item} cannot be asked: {work.error}")
            yield run.model.prompt_text(work.request()[0].messages)
            return
    raise UsageError(f"no item '{item}' in {', '.join(run.task.task for run in runs)}")
