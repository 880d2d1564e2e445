"""``ehrbench requests`` and ``ehrbench ingest``: a run whose calls and answers travel as files, or through a batch service."""

# Typer evaluates the fields' types, so they are not postponed here.

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ehrbench.cli.logs import start_logging
from ehrbench.cli.options import MODEL_HELP, OUTPUT, WHAT, AnswerOptions, OneModel, ScoreOptions

if TYPE_CHECKING:
    from ehrbench.evaluation import Finished
    from ehrbench.models.server.batch_file import Place, Replies
    from ehrbench.models.server.batch_service import BatchService
    from ehrbench.models.server.model import ServerModel
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
class Requests(WaitOptions, AnswerOptions, OneModel):
    """Write the calls that are ready now as an OpenAI batch file, or submit them to the server's batch service."""

    calls: Annotated[
        Path | None,
        typer.Option("--out", help="File of calls to write; it must not exist yet.", rich_help_panel=OUTPUT),
    ] = None
    out: Annotated[
        Path, typer.Option("--results", help="Folder for results, as `ehrbench run --out`.", rich_help_panel=OUTPUT)
    ] = Path("results")
    submit: Annotated[
        bool,
        typer.Option("--submit", help="Send the calls to the server's batch service instead.", rich_help_panel=SERVICE),
    ] = False
    calls_per_file: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum calls of one file. [default: the service's limit]", rich_help_panel=SERVICE),
    ] = None
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print calls, tokens and cost at batch prices; write nothing.", rich_help_panel=OUTPUT),
    ] = False

    def run(self) -> None:
        """Write the calls, or send them."""
        from ehrbench.errors import UsageError
        from ehrbench.evaluation import load
        from ehrbench.runs.batch import server_of
        from ehrbench.runs.policy import silence_libraries
        from ehrbench.tasks.catalog import load_catalog

        if self.calls is not None and self.submit:
            raise UsageError("--submit keeps the files of calls beside the run; leave --out out, or --submit")
        if self.calls is None and not (self.submit or self.dry_run):
            raise UsageError("where shall the calls go? give --out FILE, or --submit for the server's batch service")
        if not self.submit and (self.wait or self.calls_per_file is not None or self.keep_remote):
            raise UsageError("--wait, --calls-per-file and --keep-remote have a meaning only with --submit")
        silence_libraries()
        start_logging(self.verbose, self.log_file)
        options = self.run_options(self.model)
        chosen = load_catalog(options.include_paths).select(self.tasks, options.protocol)
        model = server_of(load(options))
        if self.dry_run:
            self._estimate(model, chosen, options)
        elif self.submit:
            self._submit(model, chosen, options)
        else:
            assert self.calls is not None
            self._write(model, chosen, options, self.calls)

    def _estimate(self, model: "ServerModel", chosen: "Sequence[TaskSpec]", options: "RunOptions") -> None:
        from ehrbench.cli.run import print_estimates
        from ehrbench.evaluation import prepare_all
        from ehrbench.runs.batch import FileModel
        from ehrbench.runs.dry_run import estimate_run
        from ehrbench.terminal.progress import Display

        model.bill_as_batch()
        with Display(self.quiet) as show:
            prepared = prepare_all(chosen, FileModel(model), options, allow_partial=self.allow_partial, on_event=show)
        unknown = "the file of prices (--model-arg prices=FILE) has no 'batch' for this model"
        print_estimates([(self.model, estimate_run(run)) for run in prepared], prices=unknown)

    def _write(self, model: "ServerModel", chosen: "Sequence[TaskSpec]", options: "RunOptions", path: Path) -> None:
        from ehrbench.evaluation import prepare_all
        from ehrbench.models.server.batch_file import BatchWriter
        from ehrbench.runs.batch import CallWriter, check_path
        from ehrbench.runs.execute import generate
        from ehrbench.terminal.progress import Display

        check_path(path, credentialed=False)
        writer = CallWriter(model, BatchWriter(path, model.call_url))
        whole = False
        try:
            with Display(self.quiet) as show:
                prepared = prepare_all(chosen, writer, options, allow_partial=self.allow_partial, on_event=show)
                check_path(path, credentialed=any(one.credentialed for one in prepared))
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
                f"{path}: {calls} calls of {waiting} items. It holds whole prompts, so only you can read it: take it to "
                "the machine that answers and nowhere else, and delete it when it is answered"
            )
        typer.echo(f"ehrbench: {said}", err=True)

    def _submit(self, model: "ServerModel", chosen: "Sequence[TaskSpec]", options: "RunOptions") -> None:
        from ehrbench.jsonl import write_private_folder
        from ehrbench.runs.folder import locked
        from ehrbench.runs.submissions import batches_folder, kept_options, new_folder, send, submissions_in
        from ehrbench.terminal.progress import Display

        place = batches_folder(options.out, model.identity.name)
        write_private_folder(place)
        service = model.batch_service()
        try:
            with Display(self.quiet) as show, locked(place):
                folder = new_folder(place)
                before = [one for one in submissions_in(place) if one.open]
                kept = kept_options(options, model.base_url)
                mine = [one for one in before if (one.ledger.options, one.ledger.tasks) == (kept, self.tasks)]
                new = self._write_down(model, chosen, options, folder, before, show)
                for one in [*mine, *new]:
                    send(one, service)
            for one in before:
                if one not in mine and any(part.batch is None for part in one.parts):
                    _say(f"{one.folder} is not wholly sent, with other options: `ehrbench ingest {one.folder}` goes on with it")
        finally:
            service.close()
            model.close()
        for one in [*mine, *new]:
            ids = ", ".join(part.batch for part in one.parts if part.batch)
            _say(f"{sum(part.calls for part in one.parts)} calls are at {one.ledger.service} as {ids}")
        if self.wait and [*mine, *new]:
            take([*mine, *new], Taking(wait=True, every=self.every, keep_remote=self.keep_remote, quiet=self.quiet))
        elif [*mine, *new]:
            which = mine[0].folder if mine and not new else new[0].folder if len(mine) + len(new) == 1 else place
            _say(f"`ehrbench ingest {which} --wait` takes the answers, today or on another day")

    def _write_down(
        self,
        model: "ServerModel",
        chosen: "Sequence[TaskSpec]",
        options: "RunOptions",
        folder: Path,
        before: "Sequence[Submission]",
        show: "Display",
    ) -> "list[Submission]":
        """The submission of the calls that are ready and not under way; none where there are no such calls."""
        from shutil import rmtree

        from ehrbench.evaluation import prepare_all
        from ehrbench.models.server.batch_file import SplitWriter
        from ehrbench.models.server.batch_service import BYTES_PER_FILE
        from ehrbench.runs.batch import CallWriter
        from ehrbench.runs.execute import generate
        from ehrbench.runs.submissions import kept_options, write_down

        service = model.batch_service()
        most = min(self.calls_per_file or service.calls_per_file, service.calls_per_file)
        files = SplitWriter(folder, model.call_url, most, BYTES_PER_FILE)
        writer = CallWriter(model, files, set().union(*(one.names() for one in before)))
        runs, whole = [], False
        try:
            for one in prepare_all(chosen, writer, options, allow_partial=self.allow_partial, on_event=show):
                run, _ = generate(one, on_event=show)
                runs.append(f"{run.path.parent.name}/{run.path.name}")
            whole = files.calls > 0
        finally:
            files.close(keep=whole)
            if not whole:
                rmtree(folder)
        if writer.n_under_way:
            _say(f"{writer.n_under_way} calls are under way already and are not sent again")
        if not whole:
            if not writer.n_under_way:
                _say("every item is finished, so there is nothing to ask; `ehrbench score` continues from there")
            return []
        about = {"service": service.address, "tasks": self.tasks, "allow_partial": self.allow_partial}
        kept = kept_options(options, model.base_url)
        return [write_down(folder, files.paths, files.counts, options=kept, runs=tuple(runs), **about)]


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
        _say(f"{path} has no reply to the calls of {len(reader.missing)} items ({items})")
    if n := sum(one.n_open for one in finished):
        _say(f"{n} items wait for answers: `ehrbench requests` writes the file of their calls")
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
            _say(f"{n} items wait for answers: {again}`ehrbench requests … --submit` asks for these and for no others")
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
                _say(f"{sum(len(part.left) for part in one.parts)} files with prompts or answers stay at {one.ledger.service}")
            else:
                _delete(one, service)
    finally:
        service.close()
        reader.close()
    if waiting := [part for part in one.parts if not part.ended]:
        states = ", ".join(f"{part.batch or 'a file'} {part.status or 'not sent'}" for part in waiting)
        _say(f"{one.folder}: not finished yet: {states}; `ehrbench ingest {one.folder} --wait` waits for it")
    return finished


def _delete(one: "Submission", service: "BatchService") -> None:
    """Delete at the service what the run has; a failure is told, and does not keep the scores back."""
    from ehrbench.errors import EhrbenchError
    from ehrbench.runs.submissions import delete_remote

    try:
        if n := delete_remote(one, service):
            _say(f"{n} files with prompts or answers are deleted at {one.ledger.service}")
    except EhrbenchError as error:
        _say(f"files with prompts or answers are still there: {error}; `ehrbench ingest {one.folder}` deletes them")


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
    _say(said + (f", {before} whose item had its answer before" if before else ""))
    for number in numbers:
        part = one.parts[number - 1]
        if reason := why(part):
            _say(f"{part.batch or one.calls(number)} {reason}")


def _tell(read: "Replies", reader: "CallReader") -> None:
    """Say what of files was of no use, by line."""
    unknown = [row.place for name, row in read.rows.items() if name not in reader.used]
    for places, what in (
        (read.unreadable, "not a reply with a custom_id; left out"),
        (read.repeated, "a custom_id that an earlier line has; the first reply counts"),
        (unknown, "no open call of this run has this custom_id: answered before, or of another run or other options; left out"),
    ):
        for path, lines in _by_file(places).items():
            _say(f"{path}, {_numbers(lines)}: {what}")
    for place, item, error in reader.failed[:20]:
        _say(f"{place.path}, line {place.line}: item {item}: {error}; `ehrbench requests` asks it again")
    if len(reader.failed) > 20:
        _say(f"{len(reader.failed) - 20} further lines are failures")


def _by_file(places: "Iterable[Place]") -> dict[Path, list[int]]:
    lines: dict[Path, list[int]] = defaultdict(list)
    for place in places:
        lines[place.path].append(place.line)
    return lines


def _numbers(lines: Sequence[int]) -> str:
    shown = ", ".join(map(str, lines[:10])) + (f" and {len(lines) - 10} more" if len(lines) > 10 else "")
    return f"line{'s' if len(lines) > 1 else ''} {shown}"


def _say(text: str) -> None:
    typer.echo(f"ehrbench: {text}", err=True)
