"""``ehrbench run``: answer and score tasks with a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from ehrbench.cli.completion import complete_tasks

if TYPE_CHECKING:
    from ehrbench.models.protocol import Model
    from ehrbench.results.groups import GroupResult
    from ehrbench.results.schema import Result
    from ehrbench.runs.options import RunOptions
    from ehrbench.runs.prepared import Prepared
    from ehrbench.scoring.run import LoadedRun
    from ehrbench.tasks.catalog import Catalog
    from ehrbench.tasks.schema import TaskSpec


def run(
    model: Annotated[
        str, typer.Option(help="A checkpoint's path or hub id, or backend:name (hf:, openai:, azure:, baseline:, replay:).")
    ],
    tasks: Annotated[str, typer.Option(help="Tasks, groups or globs, with commas between.", autocompletion=complete_tasks)],
    data_dir: Annotated[
        str | None, typer.Option(help="Folder that holds the releases, or 'sample'. [default: $EHRBENCH_DATA or ./data]")
    ] = None,
    protocol: Annotated[str, typer.Option(help="clean corrects the papers' defects; paper reproduces them.")] = "clean",
    prompt: Annotated[str, typer.Option(help="Prompt variant of the task.")] = "default",
    context: Annotated[str | None, typer.Option(help="truncate, refine, retrieve or full. [default: the task's]")] = None,
    keep: Annotated[str | None, typer.Option(help="Which end truncation keeps: end or start. [default: the task's]")] = None,
    max_model_len: Annotated[int | None, typer.Option(help="Window in tokens, prompt and answer together.")] = None,
    budget_tokenizer: Annotated[
        str | None, typer.Option(help="Count the window with this tokenizer: a folder, or 'words'.")
    ] = None,
    chunk_tokens: Annotated[
        int | None, typer.Option("--chunk-tokens", "--mr-chunk-tokens", help="Largest chunk of a refinement chain.")
    ] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens of an answer. [default: the task's]")] = None,
    max_reasoning_tokens: Annotated[int | None, typer.Option(help="Tokens of thinking, beside the answer's.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 is greedy. [default: the task's]")] = None,
    top_p: Annotated[float | None, typer.Option(help="Nucleus. [default: the task's]")] = None,
    num_fewshot: Annotated[int | None, typer.Option(help="Worked examples in the prompt. [default: the task's]")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="First N items only; the result is marked partial.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of sampling and of drawn examples.")] = 0,
    out: Annotated[Path, typer.Option(help="Where results go.")] = Path("results"),
    metrics: Annotated[str | None, typer.Option(help="Metrics instead of the task's, with commas between.")] = None,
    metric_arg: Annotated[
        list[str] | None, typer.Option("--metric-arg", help="metric.name=value, as comet.checkpoint=PATH; repeatable.")
    ] = None,
    executor: Annotated[str, typer.Option(help="local.")] = "local",
    model_arg: Annotated[list[str] | None, typer.Option("--model-arg", help="key=value for the backend; repeatable.")] = None,
    model_profile: Annotated[
        str | None, typer.Option(help="Defaults with which a paper's authors run their own model (ehr-r1, mmedins-llama3 …).")
    ] = None,
    include_path: Annotated[list[Path] | None, typer.Option(help="Folder with further task files; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print sizes, calls and cost; ask the model nothing.")] = False,
    show_prompt: Annotated[
        str | None, typer.Option(help="With --dry-run: print the exact prompt of this item (holds record text).")
    ] = None,
    allow_partial: Annotated[
        bool,
        typer.Option(
            "--allow-partial", help="Leave out tasks whose data are missing, and average groups over what is there, marked."
        ),
    ] = False,
    no_score: Annotated[bool, typer.Option("--no-score", help="Stop after the answers; `ehrbench score` goes on.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Run tasks. The same command again continues an interrupted run and repeats nothing that is finished."""
    from ehrbench.errors import INCOMPLETE_EXIT_CODE, INTERRUPTED_EXIT_CODE
    from ehrbench.models.loading import load_model
    from ehrbench.neural.arguments import parse_arguments
    from ehrbench.runs.policy import silence_libraries
    from ehrbench.tasks.catalog import load_catalog

    options = _options(dict(locals()))
    arguments = parse_arguments(metric_arg or ())
    silence_libraries()
    catalog = load_catalog(options.include_paths)
    chosen = catalog.select(tasks, options.protocol)
    # With a budget tokenizer the window is counted in its tokens, and the model's own window holds beside it.
    answering = load_model(model, options.model_args, None if options.budget_tokenizer else options.max_model_len)
    try:
        prepared = _prepare(chosen, answering, options, allow_partial)
        if dry_run:
            _print_dry_run(prepared, show_prompt, as_json)
            return
        names = metrics.split(",") if metrics else None
        finished = [_one(run, names, arguments, no_score, quiet) for run in prepared]
    except KeyboardInterrupt:
        typer.echo("ehrbench: interrupted; what is finished is kept, the same command goes on from there", err=True)
        raise typer.Exit(INTERRUPTED_EXIT_CODE) from None
    finally:
        answering.close()
    groups = _groups(finished, catalog, options, allow_partial)
    if as_json:
        from ehrbench.cli.output import print_json

        results = [{"folder": str(one.folder), **(one.result.model_dump(mode="json") if one.result else {})} for one in finished]
        print_json([*results, *(group.model_dump(mode="json") for group in groups)])
    else:
        from ehrbench.cli.groups import print_groups

        for one in finished:
            if one.result is not None:
                _print_result(one.result)
            typer.echo(f"\n{one.folder}")
        print_groups(groups)
    failed = sum(one.n_failed for one in finished)
    if failed:
        typer.echo(
            f"ehrbench: {failed} items ended without an answer; the same command tries those that failed on the server again",
            err=True,
        )
    if failed or any(one.n_broken for one in finished):
        raise typer.Exit(INCOMPLETE_EXIT_CODE)


class _Finished(NamedTuple):
    folder: Path
    n_failed: int
    """Items without an answer."""
    run: LoadedRun | None = None
    result: Result | None = None
    n_broken: int = 0
    """Metrics that failed."""


def _prepare(tasks: Sequence[TaskSpec], model: Model, options: RunOptions, allow_partial: bool) -> list[Prepared]:
    """Open every task's data; all that are missing are named at once, and left out where that is allowed."""
    from ehrbench.errors import MissingError
    from ehrbench.runs.prepared import prepare

    ready: list[Prepared] = []
    missing: list[tuple[str, MissingError]] = []
    for task in tasks:
        try:
            ready.append(prepare(task, model, options))
        except MissingError as error:
            if len(tasks) == 1:
                raise
            missing.append((task.task, error))
    if not missing:
        return ready
    if not ready or not allow_partial:
        names = ", ".join(name for name, _ in missing[:5]) + (", …" if len(missing) > 5 else "")
        further = "--allow-partial runs the others; " if ready else ""
        raise MissingError(
            f"{len(missing)} of {len(tasks)} tasks have no data ({names}); {further}`ehrbench data status` says where to get "
            f"them. The first: {missing[0][1]}"
        )
    for name, reason in missing:
        typer.echo(f"ehrbench: {name} is left out: {reason}", err=True)
    return ready


def _groups(finished: Sequence[_Finished], catalog: Catalog, options: RunOptions, allow_partial: bool) -> list[GroupResult]:
    """The groups of suites of which several tasks were scored, written beside the runs."""
    from ehrbench.scoring.groups import Scored, group_results, write_groups

    scored = [Scored(one.run, one.result) for one in finished if one.run is not None and one.result is not None]
    if len(scored) < 2:
        return []
    groups = group_results(scored, catalog, allow_partial=allow_partial, folders=options.include_paths)
    write_groups(options.out, groups)
    return groups


def _one(run: Any, metrics: list[str] | None, arguments: dict[str, str], no_score: bool, quiet: bool) -> _Finished:
    """Generate and score one task."""
    from collections import Counter

    from ehrbench.cli.output import scoring_progress
    from ehrbench.results.schema import SCORED_OUTCOMES
    from ehrbench.runs.execute import generate
    from ehrbench.scoring.run import load_run, score_run

    folder, predictions = generate(run, quiet=quiet, say=lambda line: typer.echo(f"ehrbench: {line}", err=True))
    failed = sum(p.outcome not in SCORED_OUTCOMES for p in predictions)
    reasons = Counter(f"{p.outcome}: {p.error}" for p in predictions if p.outcome not in SCORED_OUTCOMES)
    for reason, count in reasons.most_common(5):
        first = next(p.item for p in predictions if f"{p.outcome}: {p.error}" == reason)
        typer.echo(f"ehrbench: {count} items of {run.task.task} (first: {first}): {reason}", err=True)
    if no_score:
        return _Finished(folder.path, failed)
    broken = []

    def tell(name: str, error: Exception) -> None:
        broken.append(name)
        typer.echo(f"ehrbench: {error}", err=True)

    with scoring_progress(quiet) as progress:
        loaded = load_run(folder)
        result = score_run(loaded, metrics, arguments=arguments, progress=progress, failed=tell)
    return _Finished(folder.path, failed, loaded, result, len(broken))


def _options(given: dict[str, Any]) -> RunOptions:
    """The command's arguments, checked, as run options."""
    from dataclasses import fields

    from ehrbench.cli.output import key_values
    from ehrbench.errors import UsageError
    from ehrbench.runs.options import RunOptions

    for name, legal in {
        "protocol": ("clean", "paper"),
        "context": ("truncate", "refine", "retrieve", "full"),
        "keep": ("end", "start"),
        "executor": ("local",),
    }.items():
        if given[name] is not None and given[name] not in legal:
            raise UsageError(f"--{name} is '{given[name]}': expected {', '.join(legal)}")
    arguments = key_values(given["model_arg"], "--model-arg")
    if given["model_profile"] is not None:
        from ehrbench.runs.profiles import load_profile, with_profile

        given, arguments = with_profile(given, arguments, load_profile(given["model_profile"]))
    values = {f.name: given[f.name] for f in fields(RunOptions) if f.name in given}
    return RunOptions(**{**values, "model_args": arguments, "include_paths": tuple(given["include_path"] or ())})


def _print_dry_run(prepared: list[Any], show_prompt: str | None, as_json: bool) -> None:
    from ehrbench.cli.output import print_json
    from ehrbench.runs.dry_run import estimate_run, exact_prompt

    if show_prompt is not None:
        for message in exact_prompt(prepared, show_prompt):
            typer.echo(message)
        return
    estimates = [estimate_run(run) for run in prepared]
    if as_json:
        print_json([e._asdict() for e in estimates])
        return
    for e in estimates:
        typer.echo(
            f"{e.task}: {e.items} items, {e.calls} calls; {e.prompt_tokens:,} prompt tokens, {e.largest_prompt:,} in the largest "
            f"({e.tokenizer}); at most {e.answer_tokens:,} answer tokens; {e.cut} records cut, {e.overflow} items do not fit"
            + (f"; about ${e.cost:.2f}" if e.cost is not None else "")
        )


def _print_result(result: Result) -> None:
    from ehrbench.cli.output import print_result

    print_result(result)
