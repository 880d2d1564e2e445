"""``ehrbench requests`` and ``ehrbench ingest``: a run whose calls and answers travel as files."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ehrbench.cli.logs import start_logging
from ehrbench.cli.run import run

if TYPE_CHECKING:
    from ehrbench.models.server.batch_file import Replies
    from ehrbench.runs.batch import CallReader

_NOT_HERE = {"dry_run", "show_prompt", "executor", "ray_address", "ray_actors", "ray_gpus", "shard"}
"""Options of ``run`` that mean nothing for a file."""


def with_run_options(leave_out: set[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of ``ehrbench run`` beside its own; they arrive in ``**given``."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.kind is not p.VAR_KEYWORD]
        taken = inspect.signature(run, eval_str=True).parameters.values()
        shared = [p.replace(kind=p.KEYWORD_ONLY) for p in taken if p.name not in leave_out]
        own = [p.replace(kind=p.KEYWORD_ONLY) for p in own]
        command.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in (*own, *shared)}
        return command

    return decorate


@with_run_options({*_NOT_HERE, "out", "metrics", "metric_arg", "no_score", "as_json"})
def requests(
    out: Annotated[Path, typer.Option("--out", help="The file of calls to write; it must not exist yet.")],
    results: Annotated[Path, typer.Option("--results", help="Where results go: `run`'s --out.")] = Path("results"),
    **given: Any,
) -> None:
    """Write the calls that are ready now as an OpenAI batch file (`vllm run-batch -i FILE -o ANSWERS --model NAME`)."""
    from ehrbench.cli.running import prepare_all, read_options
    from ehrbench.models.loading import load_model
    from ehrbench.runs.batch import CallWriter, check_path, server_of
    from ehrbench.runs.execute import generate
    from ehrbench.runs.policy import silence_libraries
    from ehrbench.tasks.catalog import load_catalog

    silence_libraries()
    start_logging(given["verbose"], given["log_file"])
    options = read_options({"executor": None, "shard": None, **given, "out": results})
    chosen = load_catalog(options.include_paths).select(given["tasks"], options.protocol)
    model = server_of(load_model(given["model"], options.model_args, options.max_model_len))
    check_path(out, credentialed=False)
    writer = CallWriter(model, out)
    whole = False
    try:
        prepared = prepare_all(chosen, writer, options, given["allow_partial"])
        credentialed = any(one.task.data.policy != "open" and not (one.synthetic or one.dataset.open_data) for one in prepared)
        check_path(out, credentialed=credentialed)
        waiting = 0
        for one in prepared:
            _, predictions = generate(one, quiet=given["quiet"], say=lambda line: typer.echo(f"ehrbench: {line}", err=True))
            waiting += sum(p.outcome == "api_error" for p in predictions) + len(one.items) - len(predictions)
        whole = True
    finally:
        calls = writer.writer.calls
        writer.writer.close(keep=whole)
        writer.close()
    if not calls:
        typer.echo("ehrbench: every item is finished, so there is nothing to ask and no file; `ehrbench score` goes on", err=True)
        return
    typer.echo(
        f"ehrbench: {out}: {calls} calls of {waiting} items. It holds whole prompts, so only you can read it: take it to the "
        "machine that answers and nowhere else, and delete it when it is answered",
        err=True,
    )


@with_run_options(_NOT_HERE)
def ingest(
    replies: Annotated[Path, typer.Argument(help="The file of answers that the batch wrote.")],
    **given: Any,
) -> None:
    """Go on with a run from a batch's answers, given the options of `ehrbench requests`; scores it when all are there."""
    from ehrbench.cli.running import answer_and_score, metric_names, prepare_all, read_options, report
    from ehrbench.models.loading import load_model
    from ehrbench.models.server.batch_file import read_replies
    from ehrbench.neural.arguments import parse_arguments
    from ehrbench.runs.batch import CallReader, server_of
    from ehrbench.runs.policy import silence_libraries
    from ehrbench.tasks.catalog import load_catalog

    silence_libraries()
    start_logging(given["verbose"], given["log_file"])
    options = read_options({"executor": None, "shard": None, **given})
    arguments = parse_arguments(given["metric_arg"] or ())
    catalog = load_catalog(options.include_paths)
    chosen = catalog.select(given["tasks"], options.protocol)
    names = metric_names(given["metrics"], arguments)
    read = read_replies(replies)
    reader = CallReader(server_of(load_model(given["model"], options.model_args, options.max_model_len)), read)
    try:
        finished = []
        for one in prepare_all(chosen, reader, options, given["allow_partial"]):
            reader.next_task()
            finished.append(answer_and_score(one, names, arguments, given["no_score"], given["quiet"]))
    finally:
        reader.close()
    _tell(replies, read, reader)
    waiting = sum(one.n_open for one in finished)
    if waiting:
        typer.echo(f"ehrbench: {waiting} items wait for answers: `ehrbench requests` writes the file of their calls", err=True)
    report(finished, catalog, options, allow_partial=given["allow_partial"], as_json=given["as_json"])


def _tell(path: Path, read: Replies, reader: CallReader) -> None:
    """Say what of a file was of no use, by line."""
    unknown = [row.line for name, row in read.rows.items() if name not in reader.used]
    for lines, what in (
        (read.unreadable, "not a reply with a custom_id; left out"),
        (read.repeated, "a custom_id that an earlier line has; the first reply counts"),
        (unknown, "no open call of this run has this custom_id: answered before, or of another run or other options; left out"),
    ):
        if lines:
            typer.echo(f"ehrbench: {path}, {_numbers(lines)}: {what}", err=True)
    for line, item, error in reader.failed[:20]:
        typer.echo(f"ehrbench: {path}, line {line}: item {item}: {error}; `ehrbench requests` asks it again", err=True)
    if len(reader.failed) > 20:
        typer.echo(f"ehrbench: {path}: {len(reader.failed) - 20} further lines are failures", err=True)
    if reader.missing:
        items = ", ".join(reader.missing[:5]) + (", …" if len(reader.missing) > 5 else "")
        typer.echo(f"ehrbench: {path} has no reply to the calls of {len(reader.missing)} items ({items})", err=True)


def _numbers(lines: Sequence[int]) -> str:
    shown = ", ".join(map(str, lines[:10])) + (f" and {len(lines) - 10} more" if len(lines) > 10 else "")
    return f"line{'s' if len(lines) > 1 else ''} {shown}"
