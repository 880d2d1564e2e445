"""Runs of one model that differ in their seed alone are one row: the mean over the seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ehrbench.leaderboard.text import plural
from ehrbench.results.repeats import Repeats, as_one, fault_of
from ehrbench.results.schema import Result


@dataclass(frozen=True)
class Seeds:
    """The runs behind a mean over seeds."""

    means: Repeats
    runs: tuple[Result, ...]
    """In the order of the seeds."""

    @property
    def text(self) -> str:
        """The seeds and what each gave, for provenance."""
        values = self.means.by_seed.get(self.means.primary) or [None] * len(self.runs)
        pairs = zip(self.means.seeds, values, strict=True)
        return ", ".join(f"{seed}: {'no value' if value is None else f'{value:.4g}'}" for seed, value in pairs)


def over_seeds(
    results: Sequence[Result], repeats: Sequence[Repeats]
) -> tuple[list[Result], dict[tuple[str, str], Seeds], list[str]]:
    """Results in which a mean over seeds stands in place of its runs.

    Of means that share a run, the one over most seeds counts.

    Returns:
        The results; the runs behind each mean by its task and ``config_hash``; and a sentence about each mean that was left out.
    """
    runs = {(one.task, one.config_hash): one for one in results if one.kind == "run"}
    taken: set[tuple[str, str]] = set()
    found: dict[tuple[str, str], Seeds] = {}
    problems = []
    for one in sorted(repeats, key=lambda one: (-len(one.seeds), one.task, one.config_hash)):
        keys = [(one.task, own) for own in one.config_hashes]
        if taken & set(keys):
            continue
        own = [runs[key] for key in keys if key in runs]
        if fault := fault_of(one, own):
            # What the file says of itself may be somebody's text; the runs' names were judged.
            of = f" of {own[0].task}" if own else ""
            problems.append(f"a mean{of} over {plural(len(one.seeds), 'seed')} is left out: {fault}")
            continue
        taken |= set(keys)
        found[one.task, one.config_hash] = Seeds(one, tuple(own))
    kept = [one for one in results if one.kind != "run" or (one.task, one.config_hash) not in taken]
    return [*kept, *(as_one(seeds.means, seeds.runs) for seeds in found.values())], found, sorted(set(problems))
