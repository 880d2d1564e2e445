"""``ehrbench run``: answer and score tasks with a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ehrbench.cli.completion import complete_tasks
from ehrbench.cli.logs import LogFile, Verbose, start_logging


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
    stop: Annotated[
        list[str] | None,
        typer.Option(
            help="Text that ends an answer, \\n for a new line; repeatable; '' for none. [default: the task's; of a base model, "
            "its prompt's headings]"
        ),
    ] = None,
    num_fewshot: Annotated[int | None, typer.Option(help="Worked examples in the prompt. [default: the task's]")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="First N items only; the result is marked partial.")] = None,
    shard: Annotated[
        str | None, typer.Option(help="i/n: the i-th of n parts of the items; `ehrbench merge` puts them together.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of sampling and of drawn examples.")] = 0,
    out: Annotated[Path, typer.Option("--out", "--results", help="Where results go.")] = Path("results"),
    metrics: Annotated[str | None, typer.Option(help="Metrics instead of the task's, with commas between.")] = None,
    metric_arg: Annotated[
        list[str] | None, typer.Option("--metric-arg", help="metric.name=value, as comet.checkpoint=PATH; repeatable.")
    ] = None,
    executor: Annotated[str, typer.Option(help="local, or ray: copies of the model on a Ray cluster.")] = "local",
    ray_address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster: HOST:6379, or auto. [default: one on this machine]")
    ] = None,
    ray_actors: Annotated[
        int | None, typer.Option(min=1, help="Copies of the model. [default: one a GPU, without GPUs one a machine]")
    ] = None,
    ray_gpus: Annotated[
        float | None, typer.Option(min=0, help="GPUs of each copy. [default: 1 where the cluster has any]")
    ] = None,
    model_arg: Annotated[list[str] | None, typer.Option("--model-arg", help="key=value for the backend; repeatable.")] = None,
    model_profile: Annotated[
        str | None, typer.Option(help="Defaults with which a paper's authors run their own model (ehr-r1, mmedins-llama3 …).")
    ] = None,
    include_path: Annotated[list[Path] | None, typer.Option(help="Folder with further task files; repeatable.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print sizes, calls and cost; ask the model nothing.")] = False,
    show_prompt: Annotated[
        str | None, typer.Option(help="Print the exact prompt of this item and ask the model nothing (holds record text).")
    ] = None,
    allow_partial: Annotated[
        bool,
        typer.Option(
            "--allow-partial", help="Leave out tasks whose data are missing, and average groups over what is there, marked."
        ),
    ] = False,
    no_score: Annotated[bool, typer.Option("--no-score", help="Stop after the answers; `ehrbench score` goes on.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    verbose: Verbose = False,
    log_file: LogFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the results as JSON.")] = False,
) -> None:
    """Run tasks. The same command again continues an interrupted run and repeats nothing that is finished."""
    from ehrbench.cli.running import answer_and_score, metric_names, prepare_all, read_options, report
    from ehrbench.errors import INTERRUPTED_EXIT_CODE, UsageError
    from ehrbench.models.capabilities import IntroducesItself
    from ehrbench.models.loading import load_model
    from ehrbench.neural.arguments import parse_arguments
    from ehrbench.runs.policy import silence_libraries
    from ehrbench.tasks.catalog import load_catalog

    start_logging(verbose, log_file)
    options = read_options(dict(locals()))
    arguments = parse_arguments(metric_arg or ())
    names = metric_names(metrics, arguments)
    silence_libraries()
    catalog = load_catalog(options.include_paths)
    chosen = catalog.select(tasks, options.protocol)
    # With a budget tokenizer the window is counted in its tokens, and the model's own window holds beside it.
    model_len = None if options.budget_tokenizer else options.max_model_len
    answering = load_model(model, options.model_args, model_len)
    if isinstance(answering, IntroducesItself):
        typer.echo(f"ehrbench: {answering.identity.name}: {answering.introduction}", err=True)
    if executor == "ray":
        from ehrbench.runs.ray_executor import Layout, RayModel, Spec

        layout = Layout(ray_address, ray_actors, ray_gpus)
        answering = RayModel(answering, Spec(model, options.model_args, model_len), layout)
    elif (ray_address, ray_actors, ray_gpus) != (None, None, None):
        raise UsageError("--ray-address, --ray-actors and --ray-gpus mean something with --executor ray only")
    try:
        prepared = prepare_all(chosen, answering, options, allow_partial)
        if dry_run or show_prompt is not None:
            _print_dry_run(prepared, show_prompt, as_json)
            return
        finished = [answer_and_score(run, names, arguments, no_score, quiet) for run in prepared]
    except KeyboardInterrupt:
        typer.echo("ehrbench: interrupted; what is finished is kept, the same command goes on from there", err=True)
        raise typer.Exit(INTERRUPTED_EXIT_CODE) from None
    finally:
        answering.close()
    report(finished, catalog, options, allow_partial=allow_partial, as_json=as_json)


def _print_dry_run(prepared: list[Any], show_prompt: str | None, as_json: bool) -> None:
    from ehrbench.runs.dry_run import estimate_run, exact_prompt
    from ehrbench.terminal.output import print_json

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
            + (f"; about ${e.cost:.2f}" if e.cost is not None else "; cost unknown: no price is given for this model")
        )
    if len(estimates) > 1:
        costs = [e.cost for e in estimates if e.cost is not None]
        typer.echo(
            f"all {len(estimates)} tasks: {sum(e.items for e in estimates)} items, {sum(e.calls for e in estimates)} calls; "
            f"{sum(e.prompt_tokens for e in estimates):,} prompt tokens; at most {sum(e.answer_tokens for e in estimates):,} "
            "answer tokens" + (f"; about ${sum(costs):.2f}" if len(costs) == len(estimates) else "")
        )
