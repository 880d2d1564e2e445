"""What the commands that score tasks share: the metrics they are asked for, and the report at the end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ehrbench.evaluation import Finished
    from ehrbench.results.groups import GroupResult
    from ehrbench.results.schema import Outcome


def metric_names(given: str | None, arguments: Mapping[str, str]) -> list[str] | None:
    """The metrics of ``--metrics``, checked before a model is asked anything; None where the task's own are meant."""
    from ehrbench.errors import UsageError
    from ehrbench.scoring.score import check_metrics

    if given is None:
        return None
    names = list(dict.fromkeys(filter(None, (name.strip() for name in given.split(",")))))
    if not names:
        raise UsageError("--metrics names no metric; `ehrbench metrics list` shows them")
    check_metrics(names, arguments)
    return names


_NEXT_STEPS = {
    "api_error": "fix what is named above, then run the same command, which tries them again",
    "overflow": "the same command would end so again: give the model's window as --max-model-len, so that records are fitted "
    "into it, or choose --context refine",
    "refused": "a content filter took them, and the same command would end so again",
}


def report(finished: Sequence[Finished], groups: Sequence[GroupResult], *, as_json: bool) -> None:
    """Print what was run, and leave with the exit code that says whether all of it has answers."""
    from ehrbench.cli.groups import print_groups
    from ehrbench.errors import INCOMPLETE_EXIT_CODE
    from ehrbench.terminal.output import print_json, print_result

    if as_json:
        results = [{"folder": str(one.folder), **(one.result.model_dump(mode="json") if one.result else {})} for one in finished]
        print_json([*results, *(group.model_dump(mode="json") for group in groups)])
    else:
        for one in finished:
            if one.result is not None:
                print_result(one.result)
            typer.echo(f"\n{one.folder}")
        print_groups(groups)
    failures: Counter[Outcome] = sum((Counter(one.failures) for one in finished), Counter())
    for outcome, n in failures.items():
        typer.echo(f"ehrbench: {n} items ended without an answer: {outcome}; {_NEXT_STEPS[outcome]}", err=True)
    if failures or any(one.n_broken or one.n_open for one in finished):
        raise typer.Exit(INCOMPLETE_EXIT_CODE)
