"""Calls that a provider's batch service answers: what was sent where, so that nothing is lost and nothing is sent twice.

``OUT/<model>/batches/<name>/`` holds the files of calls (``1.jsonl`` …), the answers as they come down, and ``submission.json``,
in which each step is noted before and after it is taken: one that a kill has cut off is looked for at the service, not repeated.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ehrbench.errors import UsageError
from ehrbench.jsonl import write_atomically, write_private_folder
from ehrbench.models.server.batch_file import names_in
from ehrbench.models.server.batch_service import ENDED, BatchService
from ehrbench.readers.data_dir import full_place
from ehrbench.runs.events import BatchesSeen, Listener
from ehrbench.runs.folder import locked, slug
from ehrbench.runs.options import RunOptions

LEDGER = "submission.json"
LOST = "lost"
"""The state of a batch that the service does not know any more."""
UNSENT = "never sent"
"""The state of a file of calls that was given up before it became a batch."""
_FIRST_PAUSE = 2.0
_NOTICE = """\
These files hold whole prompts, text of health records included, and answers to them. They may be under a data use agreement.
Keep them on this machine, do not commit or publish them. The prompts are deleted when the answers are in the run.
"""


class Part(BaseModel):
    """One file of calls, and the batch that the service makes of it."""

    model_config = ConfigDict(extra="forbid")

    calls: int
    uploading: bool = False
    """The file may be at the service."""
    file: str | None = None
    creating: bool = False
    """The batch may be at the service."""
    batch: str | None = None
    status: str = ""
    """As the service says it; ``ENDED``, ``LOST`` and ``UNSENT`` are the last ones."""
    answered: int = 0
    failed: int = 0
    problems: tuple[str, ...] = ()
    answers: str | None = None
    """The service's file of answers."""
    errors: str | None = None
    """The service's file of calls without an answer."""
    fetched: bool = False
    """All that there is has come down."""
    ingested: bool = False
    """The run has it."""
    deleted: tuple[str, ...] = ()
    """Files that are deleted at the service."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in {*ENDED, LOST, UNSENT}

    @property
    def left(self) -> list[str]:
        """Files at the service that are not deleted yet."""
        return [one for one in (self.file, self.answers, self.errors) if one and one not in self.deleted]


class Ledger(BaseModel):
    """What is written down of a submission."""

    model_config = ConfigDict(extra="forbid")

    created: str
    service: str
    """The address of the service: no other is asked about these batches."""
    tasks: str
    allow_partial: bool
    options: dict[str, Any]
    """Of the runs, by the names of ``RunOptions``."""
    runs: tuple[str, ...]
    """Which runs the calls belong to: ``task/hash``."""
    parts: list[Part]


class Submission:
    """A ledger and its folder."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        """Hold what is written there."""
        self.folder, self.ledger = folder, ledger

    @property
    def parts(self) -> list[Part]:
        """In the order of their files."""
        return self.ledger.parts

    @property
    def open(self) -> bool:
        """Whether answers are still to come, or to be taken."""
        return any(not part.ingested for part in self.parts)

    def save(self) -> None:
        """Write the ledger down, for good."""
        write_atomically(self.folder / LEDGER, self.ledger.model_dump_json(indent=1).encode() + b"\n")

    def calls(self, number: int) -> Path:
        """The file of calls of a part, from 1."""
        return self.folder / f"{number}.jsonl"

    def replies(self, number: int) -> list[Path]:
        """What has come down of a part: answers, then failures."""
        found = (self.folder / f"{number}.answers.jsonl", self.folder / f"{number}.errors.jsonl")
        return [path for path in found if path.is_file()]

    def names(self) -> set[str]:
        """``custom_id`` of the calls that are under way."""
        under_way = [self.calls(number) for number, part in enumerate(self.parts, 1) if not part.ingested]
        return set().union(*(names_in(path) for path in under_way))

    def run_options(self) -> RunOptions:
        """The options of the runs."""
        kept = dict(self.ledger.options)
        kept |= {"out": Path(kept["out"]), "include_paths": tuple(map(Path, kept["include_paths"]))}
        kept |= {name: tuple(kept[name]) for name in ("stop", "samples") if kept[name] is not None}
        return RunOptions(**kept)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the submission for this process, and read what another one may have written meanwhile."""
        with locked(self.folder):
            self.ledger = _read(self.folder).ledger
            yield


def batches_folder(out: Path, model: str) -> Path:
    """Where the submissions of a model's runs are."""
    return out / slug(model) / "batches"


def submissions_in(folder: Path) -> list[Submission]:
    """The submissions of one folder, the oldest first.

    Raises:
        UsageError: one is damaged.
    """
    return [_read(path.parent) for path in sorted(folder.glob(f"*/{LEDGER}"))]


def submissions_of(path: Path) -> list[Submission]:
    """The submissions that a user means: one by its folder, those of a run, or all below a folder.

    Raises:
        UsageError: there is none.
    """
    if (path / LEDGER).is_file():
        return [_read(path)]
    if (path / "manifest.json").is_file():
        run = path.resolve()
        found = submissions_in(run.parent.parent / "batches")
        found = [one for one in found if f"{run.parent.name}/{run.name}" in one.ledger.runs]
    else:
        found = [_read(ledger.parent) for ledger in sorted(path.rglob(f"batches/*/{LEDGER}"))]
    if not found:
        raise UsageError(f"{path}: no batches were submitted for it; `ehrbench requests … --submit` does that")
    return found


def new_folder(place: Path) -> Path:
    """A new submission's folder; what a kill has left of one that was never written down is removed.

    Args:
        place: of the model's submissions, held by this process.

    Raises:
        EhrbenchError: it cannot be made.
    """
    for left in place.iterdir():
        if left.is_dir() and not (left / LEDGER).exists():
            shutil.rmtree(left)
    folder = place / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
    write_private_folder(folder, _NOTICE)
    return folder


def kept_options(options: RunOptions, base_url: str) -> dict[str, Any]:
    """Options as they are written down: places in full and the address by name, so that they hold in another folder, too."""
    kept = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in ("shard", "log_to")}
    return {
        **kept,
        "data_dir": full_place(options.data_dir),
        "out": str(options.out.resolve()),
        "include_paths": [str(path.resolve()) for path in options.include_paths],
        "model_args": {**options.model_args, "base_url": base_url},
        **{name: list(kept[name]) for name in ("stop", "samples") if kept[name] is not None},
    }


def write_down(folder: Path, files: Sequence[Path], n_calls: Sequence[int], **about: Any) -> Submission:
    """A submission of files of calls that lie in its folder; from here on it is never made again.

    Args:
        folder: of ``new_folder``.
        files: ``1.jsonl``, ``2.jsonl`` …
        n_calls: of each.
        about: ``service``, ``tasks``, ``allow_partial``, ``options`` and ``runs`` of the ledger.
    """
    assert [path.name for path in files] == [f"{number}.jsonl" for number in range(1, len(files) + 1)]
    created = datetime.now(timezone.utc).isoformat(timespec="seconds")
    submission = Submission(folder, Ledger(created=created, parts=[Part(calls=n) for n in n_calls], **about))
    submission.save()
    return submission


def send(submission: Submission, service: BatchService) -> None:
    """Bring up every file that is not there, and make its batch."""
    for number, part in enumerate(submission.parts, 1):
        name = _remote_name(submission, number)
        if part.ended or part.batch is not None:
            continue
        if part.file is None:
            perhaps, part.uploading = part.uploading, True
            submission.save()
            part.file = service.upload(submission.calls(number), name, perhaps=perhaps)
            submission.save()
        perhaps, part.creating = part.creating, True
        submission.save()
        part.batch = service.create(part.file, name, perhaps=perhaps)
        submission.save()


def give_up(submission: Submission, service: BatchService) -> None:
    """Cancel every batch that has not ended, and send no more; what is answered already will still come."""
    for number, part in enumerate(submission.parts, 1):
        if part.ended:
            continue
        if part.file is None and part.uploading:
            part.file = service.find_file(_remote_name(submission, number))
        if part.batch is None and part.file is not None and part.creating:
            part.batch = service.find_batch(part.file)
        if part.batch is None:
            part.status = UNSENT
        else:
            service.cancel(part.batch)
        submission.save()


def look(submission: Submission, service: BatchService, on_event: Listener) -> bool:
    """Ask where the batches are; whether all of them have ended."""
    for part in submission.parts:
        if part.ended or part.batch is None:
            continue
        seen = service.look(part.batch)
        if seen is None:
            part.status = LOST
            continue
        part.status, part.problems = seen.status, seen.problems
        part.answered, part.failed, part.answers, part.errors = seen.answered, seen.failed, seen.answers, seen.errors
    submission.save()
    parts = submission.parts
    states = Counter(part.status for part in parts)
    done, failed = (sum(map(count, parts)) for count in (lambda part: part.answered + part.failed, lambda part: part.failed))
    on_event(BatchesSeen(tuple(states.items()), done, failed, sum(part.calls for part in parts)))
    return all(part.ended for part in parts)


def follow(submission: Submission, service: BatchService, every: float, on_event: Listener) -> None:
    """Wait until every batch has ended.

    Args:
        submission: held by this process.
        service: its own.
        every: seconds between two looks at most; the first come sooner.
        on_event: told where the batches are.
    """
    pause = min(_FIRST_PAUSE, every)
    while not look(submission, service, on_event):
        time.sleep(pause)
        pause = min(pause * 1.5, every)


def fetch(submission: Submission, service: BatchService) -> list[int]:
    """Bring down what the ended batches have; the numbers of the parts that are not in the run yet."""
    for number, part in enumerate(submission.parts, 1):
        if not part.ended or part.fetched:
            continue
        for file, kind in ((part.answers, "answers"), (part.errors, "errors")):
            if file is not None and not service.download(file, submission.folder / f"{number}.{kind}.jsonl"):
                part.problems += (f"its file of {kind} is gone",)
        part.fetched = True
        submission.save()
    return [number for number, part in enumerate(submission.parts, 1) if part.fetched and not part.ingested]


def settle(submission: Submission, numbers: Sequence[int]) -> None:
    """Note that the run has the answers of these parts, and delete the prompts here."""
    for number in numbers:
        submission.parts[number - 1].ingested = True
    submission.save()
    for number, part in enumerate(submission.parts, 1):
        if part.ingested:
            submission.calls(number).unlink(missing_ok=True)


def delete_remote(submission: Submission, service: BatchService) -> int:
    """Delete at the service what the run has; how many files that were."""
    n = 0
    for part in submission.parts:
        for file in part.left if part.ingested else ():
            service.delete(file)
            part.deleted += (file,)
            submission.save()
            n += 1
    return n


def why(part: Part) -> str:
    """Why a batch that has ended has not answered everything; empty where it has run to its end."""
    reasons: Mapping[str, str] = {
        "expired": "expired: the service did not finish it in time",
        "cancelled": "was cancelled",
        "failed": "failed",
        LOST: "is no longer known to the service",
        UNSENT: "was never sent",
    }
    said = reasons.get(part.status, "")
    return ": ".join(filter(None, (said or (part.problems and "has ended") or "", ", ".join(part.problems))))


def _remote_name(submission: Submission, number: int) -> str:
    """The name of a file at the service, which no other file has."""
    return f"ehrbench-{submission.folder.name}-{number}.jsonl"


def _read(folder: Path) -> Submission:
    path = folder / LEDGER
    try:
        return Submission(folder, Ledger.model_validate_json(path.read_bytes()))
    except ValidationError:
        raise UsageError(
            f"{path} is damaged or of a newer version, so what was sent cannot be told; restore it. Removing its folder gives up "
            "its answers, and its calls are asked again"
        ) from None
