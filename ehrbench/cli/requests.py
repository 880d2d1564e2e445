"""``ehrbench requests``: the calls of a run, written into a file or sent to a batch service."""

# Typer evaluates the fields' types, so they are not postponed here.

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ehrbench.cli.ingest import SERVICE, Taking, WaitOptions, say, take
from ehrbench.cli.logs import start_logging
from ehrbench.cli.options import OUTPUT, AnswerOptions, OneModel

if TYPE_CHECKING:
    from ehrbench.models.server.batch_service import BatchService
    from ehrbench.models.server.model import ServerModel
    from ehrbench.runs.options import RunOptions
    from ehrbench.runs.submissions import Submission
    from ehrbench.tasks.schema import TaskSpec
    from ehrbench.terminal.progress import Display


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
        say(said)

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
                new = self._write_down(model, service, chosen, options, kept, folder, before, show)
                for one in [*mine, *new]:
                    send(one, service)
            for one in before:
                if one not in mine and any(part.batch is None for part in one.parts):
                    say(f"{one.folder} is not wholly sent, with other options: `ehrbench ingest {one.folder}` goes on with it")
        finally:
            service.close()
            model.close()
        for one in [*mine, *new]:
            ids = ", ".join(part.batch for part in one.parts if part.batch)
            say(f"{sum(part.calls for part in one.parts)} calls are at {one.ledger.service} as {ids}")
        if self.wait and [*mine, *new]:
            take([*mine, *new], Taking(wait=True, every=self.every, keep_remote=self.keep_remote, quiet=self.quiet))
        elif [*mine, *new]:
            which = mine[0].folder if mine and not new else new[0].folder if len(mine) + len(new) == 1 else place
            say(f"`ehrbench ingest {which} --wait` takes the answers, today or on another day")

    def _write_down(
        self,
        model: "ServerModel",
        service: "BatchService",
        chosen: "Sequence[TaskSpec]",
        options: "RunOptions",
        kept: "Mapping[str, Any]",
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
        from ehrbench.runs.submissions import write_down

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
            say(f"{writer.n_under_way} calls are under way already and are not sent again")
        if not whole:
            if not writer.n_under_way:
                say("every item is finished, so there is nothing to ask; `ehrbench score` continues from there")
            return []
        about = {"service": service.address, "tasks": self.tasks, "allow_partial": self.allow_partial}
        return [write_down(folder, files.paths, files.counts, options=kept, runs=tuple(runs), **about)]
