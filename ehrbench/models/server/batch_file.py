"""OpenAI's batch files: one call a line in, one reply a line out, in any order (what ``vllm run-batch`` reads and writes)."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from ehrbench.errors import UsageError
from ehrbench.models.server.body import decode, encode
from ehrbench.models.server.complaint import complaint_of, status_in
from ehrbench.models.server.reply import Malformed
from ehrbench.models.server.retry import judge_complaint, judge_status
from ehrbench.models.server.transport import Outcome

T = TypeVar("T")


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


def batch_url(call_url: str) -> str:
    """``/v1/chat/completions`` or ``/v1/completions``: the only part of an address that a batch line holds."""
    return "/v1/chat/completions" if urlsplit(call_url).path.endswith("/chat/completions") else "/v1/completions"


def custom_id(model: str, body: bytes) -> str:
    """The name of a call: a hash of the model's key and of the call itself, so that it fits no other call."""
    return hashlib.sha256(model.encode() + b"\0" + body).hexdigest()[:40]


class Row(NamedTuple):
    """One reply."""

    line: int
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
    """A file of replies, read."""

    rows: Mapping[str, Row]
    """By ``custom_id``; of two replies to one call the first."""
    unreadable: list[int]
    """Lines that are no reply."""
    repeated: list[int]
    """Lines whose ``custom_id`` an earlier line has."""


def read_replies(path: Path) -> Replies:
    """Read a batch's result file.

    Raises:
        UsageError: the file cannot be read, or not one line of it is a reply.
    """
    rows: dict[str, Row] = {}
    lines: defaultdict[str, list[int]] = defaultdict(list)
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                name, row = _row(number, line)
                if row is None:
                    lines["unreadable"].append(number)
                elif name in rows:
                    lines["repeated"].append(number)
                else:
                    rows[name] = row
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}; give the file that the batch wrote") from None
    if not rows:
        raise UsageError(
            f"{path}: no line of it is a reply (a JSON object with 'custom_id' and 'response'); give the file that the batch "
            "wrote, not the one that `ehrbench requests` wrote"
        )
    return Replies(rows, lines["unreadable"], lines["repeated"])


def _row(number: int, line: bytes) -> tuple[str, Row | None]:
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
        return name, Row(number, status, response.get("body"), None)
    code = error.get("code") if isinstance(error, dict) else None
    return name, Row(number, 0, None, f"batch {code}" if isinstance(code, str) and code.isidentifier() else "batch error")
