"""OpenAI's batch files: one call a line in, one reply a line out, in any order (what ``vllm run-batch`` reads and writes)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from ehrbench.errors import UsageError
from ehrbench.models.server.body import decode, encode
from ehrbench.models.server.complaint import complaint_of, status_in
from ehrbench.models.server.endpoint import PATHS
from ehrbench.models.server.reply import Malformed
from ehrbench.models.server.retry import judge_complaint, judge_status
from ehrbench.models.server.transport import Outcome

T = TypeVar("T")
_LINE_BYTES = 256
"""Of a line, at most, beside the call's body."""


class BatchWriter:
    """Writes calls to a file that only its owner can read, and that appears when it is whole."""

    def __init__(self, path: Path, call_url: str) -> None:
        """Open the file.

        Args:
            path: must not exist yet.
            call_url: where a server would be asked; its path from ``/v1`` on is what a batch line names.
        """
        self._path = path
        self._partial = path.with_name(f".{path.name}.partial")
        self._partial.unlink(missing_ok=True)
        self._file = os.fdopen(os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._url = batch_url(call_url)
        self._written: set[str] = set()

    @property
    def calls(self) -> int:
        """Calls written; one that two items share is written once."""
        return len(self._written)

    @property
    def size(self) -> int:
        """Bytes written."""
        return self._file.tell()

    def write(self, custom_id: str, body: bytes) -> None:
        """Add a call."""
        if custom_id not in self._written:
            self._written.add(custom_id)
            self._file.write(encode({"custom_id": custom_id, "method": "POST", "url": self._url, "body": decode(body)}) + b"\n")

    def close(self, *, keep: bool) -> None:
        """Put the file in its place, or leave none."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if keep and self._written:
            self._partial.replace(self._path)
        else:
            self._partial.unlink()


class SplitWriter:
    """Writes calls to as many files of one folder as a service's limits ask for (``1.jsonl``, ``2.jsonl`` …)."""

    def __init__(self, folder: Path, call_url: str, most_calls: int, most_bytes: int) -> None:
        """Open nothing yet.

        Args:
            folder: has no such file yet.
            call_url: as for ``BatchWriter``.
            most_calls: of one file.
            most_bytes: of one file.
        """
        self._folder, self._call_url = folder, call_url
        self._most_calls, self._most_bytes = most_calls, most_bytes
        self._written: set[str] = set()
        self._open: BatchWriter | None = None
        self.paths: list[Path] = []
        self.counts: list[int] = []
        """Calls of each file."""

    @property
    def calls(self) -> int:
        """Calls written to all files."""
        return len(self._written)

    def write(self, custom_id: str, body: bytes) -> None:
        """Add a call."""
        if custom_id in self._written:
            return
        self._written.add(custom_id)
        full = self._open is not None and (
            self._open.calls >= self._most_calls or self._open.size + len(body) + _LINE_BYTES > self._most_bytes
        )
        if full:
            self.close(keep=True)
        if self._open is None:
            self.paths.append(self._folder / f"{len(self.paths) + 1}.jsonl")
            self._open = BatchWriter(self.paths[-1], self._call_url)
            self.counts.append(0)
        self._open.write(custom_id, body)
        self.counts[-1] += 1

    def close(self, *, keep: bool) -> None:
        """Put the last file in its place, or leave it out."""
        if self._open is not None:
            self._open.close(keep=keep)
            self._open = None


def batch_url(call_url: str) -> str:
    """What a batch line has of an address: ``/v1/chat/completions``, or without ``/v1`` where Azure's API has dated versions."""
    path = urlsplit(call_url).path
    call = next(call for call in PATHS.values() if path.endswith(f"/{call}"))
    return f"/{call}" if "/openai/deployments/" in path else f"/v1/{call}"


def custom_id(model: str, body: bytes) -> str:
    """The name of a call: a hash of the model's key and of the call itself, so that it fits no other call."""
    return hashlib.sha256(model.encode() + b"\0" + body).hexdigest()[:40]


class Place(NamedTuple):
    """A line of a file of replies."""

    path: Path
    line: int


class Row(NamedTuple):
    """One reply."""

    place: Place
    status: int
    body: Any
    error: str | None
    """Class of a failure that has no status; never its message."""

    def outcome(self, parse: Callable[[Any], T]) -> Outcome[T]:
        """How the call ended, by the rules of calls that are made online."""
        if self.error is not None:
            return Outcome(None, "error", self.error, 0.0, 1)
        if self.status != 200:
            verdict = judge_status(self.status, {}, encode(self.body), succeeded=True)
            return Outcome(None, verdict.finish, verdict.error, 0.0, 1)
        hidden = status_in(self.body)
        if hidden is not None:
            verdict = judge_complaint(hidden, {}, complaint_of(self.body), succeeded=True)
            return Outcome(None, verdict.finish, verdict.error, 0.0, 1)
        try:
            return Outcome(parse(self.body), "stop", None, 0.0, 1)
        except Malformed as error:
            return Outcome(None, "error", error.kind, 0.0, 1)


class Replies(NamedTuple):
    """Files of replies, read."""

    rows: Mapping[str, Row]
    """By ``custom_id``; of two replies to one call the first."""
    unreadable: Sequence[Place]
    """Lines that are no reply."""
    repeated: Sequence[Place]
    """Lines whose ``custom_id`` an earlier line has."""


def read_replies(*paths: Path) -> Replies:
    """Read a batch's result files, in this order.

    Raises:
        UsageError: a file cannot be read.
    """
    rows: dict[str, Row] = {}
    unreadable: list[Place] = []
    repeated: list[Place] = []
    for path in paths:
        try:
            with path.open("rb") as file:
                for number, line in enumerate(file, 1):
                    if not line.strip():
                        continue
                    place = Place(path, number)
                    name, row = _row(place, line)
                    if row is None:
                        unreadable.append(place)
                    elif name in rows:
                        repeated.append(place)
                    else:
                        rows[name] = row
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror}; give the file that the batch wrote") from None
    return Replies(rows, unreadable, repeated)


def read_reply_file(path: Path) -> Replies:
    """Read the result file that a user names.

    Raises:
        UsageError: the file cannot be read, or not one line of it is a reply.
    """
    replies = read_replies(path)
    if not replies.rows:
        raise UsageError(
            f"{path}: no line of it is a reply (a JSON object with 'custom_id' and 'response'); give the file that the batch "
            "wrote, not the one that `ehrbench requests` wrote"
        )
    return replies


def names_in(path: Path) -> set[str]:
    """The ``custom_id`` of every call of a file that ``BatchWriter`` has written."""
    with path.open("rb") as file:
        return {decode(line)["custom_id"] for line in file}


def _row(place: Place, line: bytes) -> tuple[str, Row | None]:
    try:
        data = decode(line)
    except ValueError:
        return "", None
    name = data.get("custom_id") if isinstance(data, dict) else None
    if not isinstance(name, str) or not ("response" in data or "error" in data):
        return "", None
    response, error = data.get("response"), data.get("error")
    status = response.get("status_code") if isinstance(response, dict) else None
    if isinstance(status, int):
        return name, Row(place, status, response.get("body"), None)
    code = error.get("code") if isinstance(error, dict) else None
    return name, Row(place, 0, None, f"batch {code}" if isinstance(code, str) and code.isidentifier() else "batch error")
