"""A provider's batch service: files go up, batches are made and looked at, answers come down. Nothing is made twice.

A file or a batch that may have been made, because its maker was killed or saw no reply, is looked for by its name before another
is made. All calls go to the endpoint's address and to no other, with its key, headers and certificate.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import aiohttp

from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.models.server.batch_file import batch_url
from ehrbench.models.server.body import decode, encode
from ehrbench.models.server.complaint import read_complaint
from ehrbench.models.server.line import CONNECT_SECONDS, Reply, TooLarge, judge_exception, open_session, read_body
from ehrbench.models.server.loop import background_loop
from ehrbench.models.server.reply import Malformed
from ehrbench.models.server.retry import Verdict, judge_status, wait_seconds
from ehrbench.models.server.transport import Transport

T = TypeVar("T")
Find = Callable[[], Awaitable[dict[str, Any] | None]]
Send = Callable[[aiohttp.ClientSession, Mapping[str, str]], Awaitable[Reply]]

BYTES_PER_FILE = 200_000_000
"""The most bytes of a batch file, at OpenAI and at Azure."""
ENDED = frozenset({"completed", "expired", "failed", "cancelled"})
"""States that a batch does not leave."""
_UNREADY = frozenset({"pending", "running", "notrunning", "uploading"})
"""States of a file that has come up but cannot be used yet; Azure has these."""
_MONTH = 30 * 86_400.0
_KEPT = "nothing is lost, and the same command goes on from here"
_CHUNK = 1 << 20


class Batch(NamedTuple):
    """A batch, as the service sees it."""

    status: str
    """In lower case; ``ENDED`` are the last ones."""
    answers: str | None
    """The file of answers."""
    errors: str | None
    """The file of calls that have none."""
    total: int
    answered: int
    failed: int
    problems: tuple[str, ...]
    """Why it failed as a whole: codes and lines, never a message, which may quote the text."""


class BatchService:
    """The files and batches of one server. Making it opens no socket; its methods wait until they are done."""

    def __init__(self, transport: Transport) -> None:
        """Share a model's address, tokens and patience."""
        self._transport = transport
        self._endpoint = transport.endpoint
        self._patience = transport.patience
        self._session: aiohttp.ClientSession | None = None

    @property
    def address(self) -> str:
        """The address below which files and batches are."""
        return self._endpoint.service_url

    @property
    def calls_per_file(self) -> int:
        """The most calls that one file may hold."""
        return self._endpoint.calls_per_file

    def upload(self, path: Path, name: str, *, perhaps: bool) -> str:
        """Bring a file up, and wait until it can be used.

        Args:
            path: of the file.
            name: that it has at the service, and that no other file has.
            perhaps: it may be there already.

        Returns:
            Its id.

        Raises:
            UsageError: refused.
            MissingError: nothing has come back for as long as a call is tried.
        """
        return self._wait_for(self._upload(path, path.stat().st_size, name, perhaps))

    def create(self, file: str, name: str, *, perhaps: bool) -> str:
        """Make a batch of a file and return its id; ``name`` and the rest as in ``upload``."""
        return self._wait_for(self._create(file, name, perhaps))

    def find_file(self, name: str) -> str | None:
        """The id of a file that may have come up."""
        return _id_or_none(self._wait_for(self._find_file(name, None)))

    def find_batch(self, file: str) -> str | None:
        """The id of a batch that may have been made of a file."""
        return _id_or_none(self._wait_for(self._find_batch(file)))

    def look(self, batch: str) -> Batch | None:
        """Where a batch is; None: the service does not know it any more."""
        return self._wait_for(self._look(batch))

    def cancel(self, batch: str) -> None:
        """Ask the service to stop a batch, which takes some minutes; one that has ended stays as it is."""
        self._wait_for(self._cancel(batch))

    def download(self, file: str, path: Path) -> bool:
        """Bring a file down, whole or not at all; False: the service does not have it any more. Raises as ``upload``."""
        return self._wait_for(self._download(file, path))

    def delete(self, file: str) -> None:
        """Delete a file that may be gone already; raises as ``upload``."""
        self._wait_for(self._ask("DELETE", self._endpoint.service("files", file)))

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            session, self._session = self._session, None
            asyncio.run_coroutine_threadsafe(session.close(), background_loop()).result(5)

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        future = asyncio.run_coroutine_threadsafe(work, background_loop())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def _upload(self, path: Path, size: int, name: str, perhaps: bool) -> str:
        async def send(session: aiohttp.ClientSession, headers: Mapping[str, str]) -> Reply:
            with path.open("rb") as file:
                form = aiohttp.FormData()
                form.add_field("purpose", "batch")
                form.add_field("file", file, filename=name, content_type="application/jsonl")
                return await _reply(
                    session.post(self._endpoint.service("files"), data=form, headers=headers, allow_redirects=False)
                )

        found = await self._make(send, lambda: self._find_file(name, size), perhaps)
        while str(found.get("status")).lower() in _UNREADY:
            await asyncio.sleep(max(0.01, min(self._patience.first_wait * 4, 5.0)))
            found = await self._ask("GET", self._endpoint.service("files", _id(found))) or {}
        if str(found.get("status")).lower() in ("error", "failed"):
            raise UsageError(f"{self.address} could not read the file {name} that was uploaded; delete it there and try again")
        return _id(found)

    async def _find_file(self, name: str, size: int | None) -> dict[str, Any] | None:
        """The file of a name and a size, where that is known. Others of the name hold the same text or a part of it: deleted."""
        rows = [row for row in await self._list("files", purpose="batch") if row.get("filename") == name]
        found = next((row for row in rows if size is None or row.get("bytes") in (size, None)), None)
        for row in rows:
            if row is not found:
                await self._ask("DELETE", self._endpoint.service("files", _id(row)))
        return found

    async def _create(self, file: str, name: str, perhaps: bool) -> str:
        body = encode(
            {
                "input_file_id": file,
                "endpoint": batch_url(self._endpoint.call_url),
                "completion_window": "24h",
                "metadata": {"ehrbench": name},
            }
        )

        async def send(session: aiohttp.ClientSession, headers: Mapping[str, str]) -> Reply:
            json_headers = {**headers, "Content-Type": "application/json"}
            return await _reply(
                session.post(self._endpoint.service("batches"), data=body, headers=json_headers, allow_redirects=False)
            )

        return _id(await self._make(send, lambda: self._find_batch(file), perhaps))

    async def _find_batch(self, file: str) -> dict[str, Any] | None:
        """The first batch of a file; a file has one batch."""
        rows = [row for row in await self._list("batches", limit="100") if row.get("input_file_id") == file]
        return rows[-1] if rows else None

    async def _look(self, batch: str) -> Batch | None:
        data = await self._ask("GET", self._endpoint.service("batches", batch))
        if data is None:
            return None
        counts = data.get("request_counts")
        counts = counts if isinstance(counts, dict) else {}
        done, failed, total = (_number(counts.get(key)) for key in ("completed", "failed", "total"))
        files = (data.get(key) for key in ("output_file_id", "error_file_id"))
        answers, errors = (one if isinstance(one, str) and one else None for one in files)
        return Batch(str(data.get("status")).lower(), answers, errors, total, done, failed, _problems(data.get("errors")))

    async def _cancel(self, batch: str) -> None:
        if (seen := await self._look(batch)) is not None and seen.status not in (*ENDED, "cancelling"):
            await self._ask("POST", self._endpoint.service("batches", batch, "cancel"))

    async def _download(self, file: str, path: Path) -> bool:
        about = await self._ask("GET", self._endpoint.service("files", file))
        if about is None:
            return False
        size = _number(about.get("bytes")) or None
        partial = path.with_name(f".{path.name}.partial")

        async def send(session: aiohttp.ClientSession, headers: Mapping[str, str]) -> Reply:
            url = self._endpoint.service("files", file, "content")
            async with session.get(url, headers=headers, allow_redirects=False) as reply:
                if reply.status != 200:
                    return Reply(reply.status, reply.headers, await read_body(reply))
                if reply.headers.get("Content-Encoding", "identity") != "identity":
                    raise Malformed("ContentEncoding")
                with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as written:
                    async for part in reply.content.iter_chunked(_CHUNK):
                        written.write(part)
                    if size is not None and written.tell() != size:
                        raise Malformed("TruncatedBody")
                    written.flush()
                    os.fsync(written.fileno())
                return Reply(200, reply.headers, b"{}")

        try:
            if await self._tried(send) is None:
                return False
            partial.replace(path)
            return True
        finally:
            partial.unlink(missing_ok=True)

    async def _list(self, kind: str, **query: str) -> list[dict[str, Any]]:
        """All files that the service lists, or batches of the last thirty days, the newest first."""
        rows: list[dict[str, Any]] = []
        while True:
            page = await self._ask("GET", self._endpoint.service(kind, **query)) or {}
            new = [row for row in page.get("data") or () if isinstance(row, dict)]
            rows += new
            last = page.get("last_id") or (new[-1].get("id") if new else None)
            made = new[-1].get("created_at") if new else None
            old = kind == "batches" and isinstance(made, (int, float)) and made < time.time() - _MONTH
            if not page.get("has_more") or not isinstance(last, str) or last == query.get("after") or old:
                return rows
            query["after"] = last

    async def _ask(self, method: str, url: str) -> dict[str, Any] | None:
        """The JSON of something at the service, asked for again after a failure; None: it is not there."""

        async def send(session: aiohttp.ClientSession, headers: Mapping[str, str]) -> Reply:
            return await _reply(session.request(method, url, headers=headers, allow_redirects=False))

        return await self._tried(send)

    async def _make(self, send: Send, find: Find, perhaps: bool) -> dict[str, Any]:
        """Make something once: where it may have been made, it is looked for first."""
        found = await find() if perhaps else None
        found = found or await self._tried(send, find)
        if found is None:
            raise UsageError(
                f"{self.address} has no batch service (HTTP 404): write the calls to a file with --out, without --submit"
            )
        return found

    async def _tried(self, send: Send, find: Find | None = None) -> dict[str, Any] | None:
        """Send until there is a reply or no hope of one.

        Args:
            send: one attempt.
            find: looks for what the last attempt may have made; None: asking again changes nothing.

        Returns:
            The reply's JSON; None: there is nothing at the address.
        """
        end = time.monotonic() + self._patience.retry_seconds
        attempt = 0
        while True:
            attempt += 1
            got = await self._once(send)
            if not isinstance(got, Verdict):
                self._transport.succeeded = True
                return got
            if got.error == "HTTP 404":
                return None
            if got.action != "retry":
                raise UsageError(self._transport.explain(got))
            if got.error in ("ConnectionRefused", "NameNotFound") and not self._transport.succeeded:
                raise MissingError(self._transport.nobody())
            wait = wait_seconds(attempt, got.wait, self._patience.first_wait)
            if attempt > self._patience.max_retries or time.monotonic() + wait > end:
                raise MissingError(f"{self.address} answered {got.error} {attempt} times; {_KEPT}")
            await asyncio.sleep(wait)
            # A reply that refuses for now says that nothing was made; no reply, or a failure of the server's, does not.
            if find is not None and got.error not in ("HTTP 425", "HTTP 429") and (found := await find()) is not None:
                return found

    async def _once(self, send: Send) -> dict[str, Any] | Verdict:
        if self._session is None:
            headers = {name: value for name, value in self._endpoint.headers().items() if name != "Content-Type"}
            # A file of 200 MB may take long to come up or down; silence may not.
            patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=self._patience.timeout)
            self._session = open_session(self._endpoint, headers, patience)
        session = self._session
        try:
            reply = await self._transport.with_token(lambda headers: send(session, headers or {}))
        except TooLarge:
            return Verdict("give_up", "TooLarge")
        except Malformed as error:
            return Verdict("retry", error.kind)
        except (aiohttp.ClientError, asyncio.TimeoutError) as error:
            return judge_exception(error)
        except OSError as error:
            if error.filename is not None:  # of the disk here, not of the network
                raise
            return judge_exception(error)
        if isinstance(reply, Verdict):
            return reply
        if reply.status in (200, 201, 204):
            try:
                data = decode(reply.raw or b"{}")
            except ValueError:
                data = None
            return data if isinstance(data, dict) else Verdict("retry", "NotJSON")
        if reply.status == 404:
            return Verdict("give_up", "HTTP 404")
        verdict = judge_status(reply.status, reply.headers, reply.raw, succeeded=True)
        if verdict.action == "retry" or verdict.advice:
            return verdict
        codes = ", ".join(sorted(code for code in read_complaint(reply.raw).codes if _is_code(code)))
        advice = f"it refuses{f' ({codes})' if codes else ''}; {_KEPT}"
        return verdict._replace(advice=advice)


async def _reply(context: Any) -> Reply:
    async with context as reply:
        return Reply(reply.status, reply.headers, await read_body(reply))


def _id(row: Mapping[str, Any]) -> str:
    found = row.get("id")
    if not isinstance(found, str) or not found:
        raise EhrbenchError(f"the batch service gave something without an id; {_KEPT}")
    return found


def _id_or_none(row: Mapping[str, Any] | None) -> str | None:
    return None if row is None else _id(row)


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _is_code(text: str) -> bool:
    """Whether a text is a code and not words, which may quote a prompt."""
    return text.isidentifier() and len(text) <= 64


def _problems(errors: object) -> tuple[str, ...]:
    """The codes of a batch that failed as a whole, each with the first few lines that have it."""
    rows = errors.get("data") if isinstance(errors, dict) else None
    lines: dict[str, list[int]] = {}
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict):
            code = row.get("code")
            found = lines.setdefault(code if isinstance(code, str) and _is_code(code) else "unknown", [])
            found += [row["line"]] if isinstance(row.get("line"), int) else []
    return tuple(name + (f" (line {', '.join(map(str, found[:5]))})" if found else "") for name, found in lines.items())
