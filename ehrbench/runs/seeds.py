"""Repeats of a run under several seeds: which are asked for, and whether a task's answers differ between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ehrbench.errors import UsageError
from ehrbench.runs.events import Listener, Note, ignore
from ehrbench.runs.prepared import Prepared
from ehrbench.tasks.schema import TaskSpec


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds that ``--seeds 0,1,2`` names.

    Raises:
        UsageError: one is no whole number or is given twice, or there is none.
    """
    try:
        seeds = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--seeds '{text}': expected whole numbers with commas between them, for instance 0,1,2") from None
    if twice := next((seed for seed in seeds if seeds.count(seed) > 1), None):
        raise UsageError(f"--seeds '{text}': {twice} is given twice; give each seed once")
    return seeds


def why_the_same(task: TaskSpec) -> str | None:
    """Why every seed would give the same answers; None where they differ.

    Args:
        task: with the user's choices in it.
    """
    if task.fewshot.k:  # examples are drawn from the seed
        return None
    if task.output != "text":
        return "its probabilities are computed and not sampled"
    return "its answers are greedy (temperature 0)" if task.generation.temperature <= 0 else None


def with_seeds(run: Prepared, seeds: Sequence[int], on_event: Listener = ignore) -> Iterator[Prepared]:
    """The run under each seed; under the first alone where the others would give the same answers, which is told.

    Args:
        run: prepared under any seed.
        seeds: none: the run as it is.
        on_event: told what is left out.
    """
    reason = why_the_same(run.task)
    if reason is not None and len(seeds) > 1:
        on_event(Note(run.task.task, f"{reason}, so repeats give the same answers: only seed {seeds[0]} is run"))
        seeds = seeds[:1]
    yield from (run._replace(options=replace(run.options, seed=seed)) for seed in seeds or [run.options.seed])
