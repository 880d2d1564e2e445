"""``ehrbench ingest``: the answers of a batch, out of a file or from a batch service, into their run."""

# Typer evaluates the fields' types, so they are not postponed here.

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ehrbench.cli.logs import start_logging
from ehrbench.cli.options import MODEL_HELP, WHAT, AnswerOptions, ScoreOptions

if TYPE_CHECKING:
    from ehrbench.evaluation import Finished
    from ehrbench.models.server.batch_file import Place, Replies
    from ehrbench.models.server.batch_service import BatchService
    from ehrbench.runs.batch import CallReader
    from ehrbench.runs.options import RunOptions
    from ehrbench.runs.submissions import Submission
    from ehrbench.tasks.catalog import Catalog
    from ehrbench.tasks.schema import TaskSpec
    from ehrbench.terminal.progress import Display

SERVICE = "Batch service"
"""The heading of the help."""


@dataclass(frozen=True, kw_only=True)
class WaitOptions:
    """How a batch service is waited for."""

    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the batches have ended, then take their answers.", rich_help_panel=SERVICE)
    ] = False
    every: Annotated[
        float, typer.Option(min=0.01, help="Longest pause of --wait between two looks, in seconds.", rich_help_panel=SERVICE)
    ] = 60.0
    keep_remote: Annotated[
        bool,
        typer.Option(
            "--keep-remote",
            help="Leave prompts and answers at the service, where they are deleted once the run has them.",
            rich_help_panel=SERVICE,
        ),
    ] = False


@dataclass(frozen=True, kw_only=True)
class _PerhapsOneModel:
    model: Annotated[str | None, typer.Option(help=f"{MODEL_HELP}; for a file of answers.", rich_help_panel=WHAT)] = None


@dataclass(frozen=True, kw_only=True)
class _PerhapsTasks:
    tasks: Annotated[
        str | None, typer.Option(help="Tasks, groups or globs, separated by commas; for a file of answers.", rich_help_panel=WHAT)
    ] = None


@dataclass(frozen=True, kw_only=True)
class Ingest(WaitOptions, _PerhapsTasks, ScoreOptions, _PerhapsOneModel):
    """Continue a run from a batch's answers, and score it when all are there."""

    replies: Annotated[
        Path,
        typer.Argument(
            help="File of answers that the batch wrote, with the options of `ehrbench requests`; or a run, or a folder above "
            "several, whose batches were submitted."
        ),
    ]
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Stop the batches, and take what they have answered.", rich_help_panel=SERVICE)
    ] = False

    def run(self) -> None:
        """Take the answers, score and report."""
        from ehrbench.cli.report import metric_names
        from ehrbench.errors import UsageError
        from ehrbench.runs.policy import silence_libraries
        from ehrbench.runs.submissions import submissions_of

        silence_libraries()
        start_logging(self.verbose, self.log_file)
        arguments = self.metric_arguments()
        taking = Taking(
            names=metric_names(self.metrics, arguments),
            arguments=arguments,
            score=not self.no_score,
            as_json=self.as_json,
            quiet=self.quiet,
            wait=self.wait,
            every=self.every,
            keep_remote=self.keep_remote,
            cancel=self.cancel,
        )
        if self.replies.is_dir():
            self._require_no_options()
            found = submissions_of(self.replies)
            chosen = [one for one in found if one.open] or [one for one in found if any(part.left for part in one.parts)]
            if not chosen:
                raise UsageError(
                    f"{self.replies}: every batch is in the run already; `ehrbench requests … --submit` asks for more"
                )
            take(chosen, taking)
            return
        if self.wait or self.cancel or self.keep_remote:
            raise UsageError(f"--wait, --cancel and --keep-remote are for a run's folder, and {self.replies} is not a folder")
        if self.model is None or self.tasks is None:
            raise UsageError("answers in a file belong to the run that --model, --tasks and the other options name; give them")
        take_file(self.replies, self.model, self.tasks, self.run_options(self.model), self.allow_partial, taking)

    def _require_no_options(self) -> None:
        """Refuse options of answering: the submission has its own, and these would count for nothing."""
        from ehrbench.errors import UsageError

        heard = {"quiet", "verbose", "log_file"}
        for field in fields(AnswerOptions):
            if field.name not in heard and getattr(self, field.name) != (None if field.name == "tasks" else field.default):
                raise UsageError(f"--{field.name.replace('_', '-')} was settled by `ehrbench requests`; leave it out")
        if self.model is not None:
            raise UsageError("--model was settled by `ehrbench requests`; leave it out")


@dataclass(frozen=True, kw_only=True)
class Taking:
    """How answers are taken in."""

    names: Sequence[str] | None = None
    """Metrics in place of the tasks' own."""
    arguments: Mapping[str, str] | None = None
    score: bool = True
    as_json: bool = False
    quiet: bool = False
    wait: bool = False
    every: float = 60.0
    keep_remote: bool = False
    cancel: bool = False


def take_file(path: Path, model: str, tasks: str, options: "RunOptions", allow_partial: bool, taking: Taking) -> None:
    """Take the answers of a file, score and report."""
    from ehrbench.cli.report import report
    from ehrbench.evaluation import load, score_groups
    from ehrbench.models.server.batch_file import read_reply_file
    from ehrbench.runs.batch import CallReader, server_of
    from ehrbench.tasks.catalog import load_catalog
    from ehrbench.terminal.progress import Display

    catalog = load_catalog(options.include_paths)
    chosen = catalog.select(tasks, options.protocol)
    read = read_reply_file(path)
    reader = CallReader(server_of(load(options)), read)
    try:
        with Display(taking.quiet) as show:
            finished = _answer(reader, chosen, options, allow_partial, taking, show)
    finally:
        reader.close()
    _tell(read, reader)
    if reader.missing:
        items = ", ".join(reader.missing[:5]) + (", …" if len(reader.missing) > 5 else "")
        say(f"{path} has no reply to the calls of {len(reader.missing)} items ({items})")
    if n := sum(one.n_open for one in finished):
        say(f"{n} items wait for answers: `ehrbench requests` writes the file of their calls")
    report(finished, score_groups(finished, catalog, options, allow_partial=allow_partial), as_json=taking.as_json)


def take(submissions: "Sequence[Submission]", taking: Taking) -> None:
    """Take what batches have answered, each submission into its runs; score and report."""
    from ehrbench.cli.report import report
    from ehrbench.errors import INCOMPLETE_EXIT_CODE
    from ehrbench.evaluation import score_groups
    from ehrbench.tasks.catalog import load_catalog

    finished: list[Finished] = []
    groups = []
    open_still = remote_still = False
    for one in submissions:
        options = one.run_options()
        catalog = load_catalog(options.include_paths)
        done = _take_one(one, catalog, options, taking)
        groups += score_groups(done, catalog, options, allow_partial=one.ledger.allow_partial)
        finished += done
        open_still |= one.open
        remote_still |= not taking.keep_remote and any(part.ingested and part.left for part in one.parts)
    if finished:
        n_failed = sum(one.failures.get("api_error", 0) for one in finished)
        if n := sum(one.n_open for one in finished) + n_failed:
            again = "when those have ended, " if open_still else ""
            say(f"{n} items wait for answers: {again}`ehrbench requests … --submit` asks for these and for no others")
        report(finished, groups, as_json=taking.as_json)
    if open_still or remote_still:
        raise typer.Exit(INCOMPLETE_EXIT_CODE)


def _take_one(one: "Submission", catalog: "Catalog", options: "RunOptions", taking: Taking) -> "list[Finished]":
    from ehrbench.errors import UsageError
    from ehrbench.evaluation import load, prepare_all
    from ehrbench.models.server.batch_file import names_in, read_replies
    from ehrbench.runs import submissions as steps
    from ehrbench.runs.batch import CallReader, server_of
    from ehrbench.terminal.progress import Display

    server = server_of(load(options))
    server.bill_as_batch()
    service = server.batch_service()
    if service.address != one.ledger.service:
        raise UsageError(f"{one.folder} was sent to {one.ledger.service}, and these options lead to {service.address}")
    chosen = catalog.select(one.ledger.tasks, options.protocol)
    reader = CallReader(server)
    allow_partial = one.ledger.allow_partial
    finished: list[Finished] = []
    try:
        with one.locked(), Display(taking.quiet) as show:
            if one.open:
                prepare_all(chosen, reader, options, allow_partial=allow_partial)  # the data policy comes before any socket
                if taking.cancel:
                    steps.give_up(one, service)
                else:
                    steps.send(one, service)
                if taking.wait:
                    steps.follow(one, service, taking.every, show)
                else:
                    steps.look(one, service, show)
            numbers = steps.fetch(one, service)
            if numbers:
                read = read_replies(*(path for number in numbers for path in one.replies(number)))
                sent = set().union(*(names_in(one.calls(number)) for number in numbers))
                reader.take(read)
                finished = _answer(reader, chosen, options, allow_partial, taking, show)
                _tell(read, reader)
                _count(one, numbers, sent, read, reader)
            steps.settle(one, numbers)
            if taking.keep_remote:
                say(f"{sum(len(part.left) for part in one.parts)} files with prompts or answers stay at {one.ledger.service}")
            else:
                _delete(one, service)
    finally:
        service.close()
        reader.close()
    if waiting := [part for part in one.parts if not part.ended]:
        states = ", ".join(f"{part.batch or 'a file'} {part.status or 'not sent'}" for part in waiting)
        say(f"{one.folder}: not finished yet: {states}; `ehrbench ingest {one.folder} --wait` waits for it")
    return finished


def _delete(one: "Submission", service: "BatchService") -> None:
    """Delete at the service what the run has; a failure is told, and does not keep the scores back."""
    from ehrbench.errors import EhrbenchError
    from ehrbench.runs.submissions import delete_remote

    try:
        if n := delete_remote(one, service):
            say(f"{n} files with prompts or answers are deleted at {one.ledger.service}")
    except EhrbenchError as error:
        say(f"files with prompts or answers are still there: {error}; `ehrbench ingest {one.folder}` deletes them")


def _answer(
    reader: "CallReader",
    chosen: "Sequence[TaskSpec]",
    options: "RunOptions",
    allow_partial: bool,
    taking: Taking,
    show: "Display",
) -> "list[Finished]":
    from ehrbench.evaluation import answer_and_score, prepare_all

    finished = []
    for one in prepare_all(chosen, reader, options, allow_partial=allow_partial, on_event=show):
        reader.next_task()
        finished.append(answer_and_score(one, taking.names, taking.arguments, score=taking.score, on_event=show))
    return finished


def _count(one: "Submission", numbers: Sequence[int], sent: set[str], read: "Replies", reader: "CallReader") -> None:
    """Say of every call that was sent how it ended, and of every batch that has not answered all of them why."""
    from ehrbench.runs.submissions import why

    failed = {place: error for place, _, error in reader.failed}
    kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(failed.values()).most_common(5))
    missing, before = len(sent - read.rows.keys()), len((sent & read.rows.keys()) - reader.used)
    said = f"{len(sent)} calls: {len(reader.used & sent) - len(failed)} answered, {len(failed)} failed"
    said += (f" ({kinds})" if kinds else "") + f", {missing} without a reply"
    say(said + (f", {before} whose item had its answer before" if before else ""))
    for number in numbers:
        part = one.parts[number - 1]
        if reason := why(part):
            say(f"{part.batch or one.calls(number)} {reason}")


def _tell(read: "Replies", reader: "CallReader") -> None:
    """Say what of files was of no use, by line."""
    unknown = [row.place for name, row in read.rows.items() if name not in reader.used]
    for places, what in (
        (read.unreadable, "not a reply with a custom_id; left out"),
        (read.repeated, "a custom_id that an earlier line has; the first reply counts"),
        (unknown, "no open call of this run has this custom_id: answered before, or of another run or other options; left out"),
    ):
        for path, lines in _by_file(places).items():
            say(f"{path}, {_numbers(lines)}: {what}")
    for place, item, error in reader.failed[:20]:
        say(f"{place.path}, line {place.line}: item {item}: {error}; `ehrbench requests` asks it again")
    if len(reader.failed) > 20:
        say(f"{len(reader.failed) - 20} further lines are failures")


def _by_file(places: "Iterable[Place]") -> dict[Path, list[int]]:
    lines: dict[Path, list[int]] = defaultdict(list)
    for place in places:
        lines[place.path].append(place.line)
    return lines


def _numbers(lines: Sequence[int]) -> str:
    shown = ", ".join(map(str, lines[:10])) + (f" and {len(lines) - 10} more" if len(lines) > 10 else "")
    return f"line{'s' if len(lines) > 1 else ''} {shown}"


def say(text: str) -> None:
    """Tell the user something beside the results."""
    typer.echo(f"ehrbench: {text}", err=True)
