"""``ehrbench requests`` and ``ehrbench ingest``: a run whose calls and answers travel as files."""

# Typer evaluates the fields' types, so they are not postponed here.

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ehrbench.cli.logs import start_logging
from ehrbench.cli.options import OUTPUT, AnswerOptions, OneModel, ScoreOptions

if TYPE_CHECKING:
    from ehrbench.models.server.batch_file import Replies
    from ehrbench.runs.batch import CallReader


@dataclass(frozen=True, kw_only=True)
class Requests(AnswerOptions, OneModel):
    """Write the calls that are ready now as an OpenAI batch file (`vllm run-batch -i FILE -o ANSWERS --model NAME`)."""

    calls: Annotated[Path, typer.Option("--out", help="File of calls to write; it must not exist yet.", rich_help_panel=OUTPUT)]
    out: Annotated[
        Path, typer.Option("--results", help="Folder for results, as `ehrbench run --out`.", rich_help_panel=OUTPUT)
    ] = Path("results")

    def run(self) -> None:
        """Write the calls."""
        from ehrbench.evaluation import load, prepare_all
        from ehrbench.runs.batch import CallWriter, check_path, server_of
        from ehrbench.runs.execute import generate
        from ehrbench.runs.policy import silence_libraries
        from ehrbench.tasks.catalog import load_catalog
        from ehrbench.terminal.progress import Display

        silence_libraries()
        start_logging(self.verbose, self.log_file)
        options = self.run_options(self.model)
        chosen = load_catalog(options.include_paths).select(self.tasks, options.protocol)
        model = server_of(load(options))
        check_path(self.calls, credentialed=False)
        writer = CallWriter(model, self.calls)
        whole = False
        try:
            with Display(self.quiet) as show:
                prepared = prepare_all(chosen, writer, options, allow_partial=self.allow_partial, on_event=show)
                check_path(self.calls, credentialed=any(one.credentialed for one in prepared))
                waiting = 0
                for one in prepared:
                    _, predictions = generate(one, on_event=show)
                    waiting += sum(p.outcome == "api_error" for p in predictions) + len(one.items) - len(predictions)
            whole = True
        finally:
            calls = writer.writer.calls
            writer.writer.close(keep=whole)
            writer.close()
        if not calls:
            said = "every item is finished, so there is nothing to ask and no file; `ehrbench score` continues from there"
        else:
            said = (
                f"{self.calls}: {calls} calls of {waiting} items. It holds whole prompts, so only you can read it: take it to "
                "the machine that answers and nowhere else, and delete it when it is answered"
            )
        typer.echo(f"ehrbench: {said}", err=True)


@dataclass(frozen=True, kw_only=True)
class Ingest(ScoreOptions, OneModel):
    """Continue a run from a batch's answers, given the options of `ehrbench requests`; scores it when all are there."""

    replies: Annotated[Path, typer.Argument(help="File of answers that the batch wrote.")]

    def run(self) -> None:
        """Answer from the file, score and report."""
        from ehrbench.cli.report import metric_names, report
        from ehrbench.evaluation import answer_and_score, load, prepare_all, score_groups
        from ehrbench.models.server.batch_file import read_replies
        from ehrbench.runs.batch import CallReader, server_of
        from ehrbench.runs.policy import silence_libraries
        from ehrbench.tasks.catalog import load_catalog
        from ehrbench.terminal.progress import Display

        silence_libraries()
        start_logging(self.verbose, self.log_file)
        options = self.run_options(self.model)
        arguments = self.metric_arguments()
        catalog = load_catalog(options.include_paths)
        chosen = catalog.select(self.tasks, options.protocol)
        names = metric_names(self.metrics, arguments)
        read = read_replies(self.replies)
        reader = CallReader(server_of(load(options)), read)
        finished = []
        try:
            with Display(self.quiet) as show:
                for one in prepare_all(chosen, reader, options, allow_partial=self.allow_partial, on_event=show):
                    reader.next_task()
                    finished.append(answer_and_score(one, names, arguments, score=not self.no_score, on_event=show))
        finally:
            reader.close()
        _tell(self.replies, read, reader)
        if n := sum(one.n_open for one in finished):
            typer.echo(f"ehrbench: {n} items wait for answers: `ehrbench requests` writes the file of their calls", err=True)
        groups = score_groups(finished, catalog, options, allow_partial=self.allow_partial)
        report(finished, groups, as_json=self.as_json)


def _tell(path: Path, read: "Replies", reader: "CallReader") -> None:
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
