"""The batch service of the loopback server: ``/files`` and ``/batches`` as OpenAI and Azure have them, failing on request."""

from __future__ import annotations

import itertools
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

PLACE = re.compile(r"/(?:v1|openai|openai/v1)/(files|batches)(?:/([^/?]+))?(?:/(content|cancel))?(?:\?|$)")
Line = dict[str, Any]


class Answer(NamedTuple):
    """What goes back."""

    status: int
    body: bytes
    cut: bool = False
    """The body is shorter than declared."""
    lost: bool = False
    """The connection is closed instead."""


class Batches:
    """Files and batches; a batch goes one state on whenever it is looked at, and ends in the last of ``states``.

    A fault is ``429`` or ``500`` (nothing is done), ``made-500`` or ``made-reset`` (it is done, and the client does not learn of
    it), ``truncated`` or ``short`` (half a body, of which the headers know or do not).
    """

    def __init__(
        self,
        complete: Callable[[dict[str, Any]], dict[str, Any]],
        *,
        states: Sequence[str] = ("validating", "in_progress", "finalizing", "completed"),
        faults: Mapping[str, Sequence[str]] | None = None,
        spoil: Callable[[list[Line]], list[Line]] = lambda lines: lines,
        fails: Callable[[Line], int | None] = lambda call: None,
        undone: int = 0,
        page: int = 2,
        pending: int = 0,
        watch: Callable[[str, str], None] = lambda step, when: None,
    ) -> None:
        """Configure the service.

        Args:
            complete: answers a call's body.
            states: of each batch, one after another.
            faults: of the first requests of each kind (upload, create, files, batches, look, about, content, delete, cancel).
            spoil: makes the file of answers from what it should be.
            fails: status of a call that fails.
            undone: calls of each batch that are not reached where it does not end as ``completed``.
            page: rows of a page of a list.
            pending: looks at a file until it can be used.
            watch: told of each request, ``before`` and ``after`` it is carried out.
        """
        self.complete, self.states, self.spoil, self.fails = complete, tuple(states), spoil, fails
        self.faults = {step: list(names) for step, names in (faults or {}).items()}
        self.undone, self.page, self.pending, self.watch = undone, page, pending, watch
        self.files: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.steps: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        """Uploads and batches that were ever made."""
        self.sent: Counter[str] = Counter()
        """How often each call was part of a batch."""
        self.paths: list[str] = []
        self._numbers = itertools.count(1)

    def handle(self, method: str, path: str, headers: Mapping[str, str], payload: bytes) -> Answer | None:
        """Answer a request; None: it is not for the service."""
        match = PLACE.match(path)
        if match is None:
            return None
        kind, name, what = match.groups()
        step = self._step(method, kind, name, what)
        self.steps[step] += 1
        self.paths.append(f"{method} {path}")
        self.watch(step, "before")
        fault = self.faults[step].pop(0) if self.faults.get(step) else ""
        if fault in ("429", "500"):
            return self._error(int(fault), "try later")
        status, body = self._do(step, name or "", path, headers, payload)
        self.watch(step, "after")
        if fault == "made-500":
            return self._error(500, "failed")
        if fault in ("truncated", "short"):
            return Answer(status, body[: len(body) // 2], cut=fault == "truncated")
        return Answer(status, body, lost=fault == "made-reset")

    def _step(self, method: str, kind: str, name: str | None, what: str | None) -> str:
        if what:
            return what
        if method == "POST":
            return "upload" if kind == "files" else "create"
        if method == "DELETE":
            return "delete"
        return kind if name is None else "about" if kind == "files" else "look"

    def _do(self, step: str, name: str, path: str, headers: Mapping[str, str], payload: bytes) -> tuple[int, bytes]:
        if step == "upload":
            return self._upload(headers, payload)
        if step == "create":
            return self._create(json.loads(payload))
        if step in ("files", "batches"):
            return self._list(self.files if step == "files" else self.batches, parse_qs(urlsplit(path).query))
        rows = self.batches if step in ("look", "cancel") else self.files
        if name not in rows:
            return self._gone()
        if step == "content":
            return 200, self.contents[name]
        if step == "delete":
            del self.files[name], self.contents[name]
            return self._json({"id": name, "object": "file", "deleted": True})
        if step == "about":
            self._ready(rows[name])
        elif step == "look":
            self._go_on(rows[name])
        else:
            rows[name]["states"] = ["cancelling", "cancelled"]
        return self._json({key: value for key, value in rows[name].items() if key not in ("states", "looks")})

    def _ready(self, row: dict[str, Any]) -> None:
        row["looks"] = row.get("looks", 0) + 1
        if row["looks"] >= self.pending:
            row["status"] = "processed"

    def _upload(self, headers: Mapping[str, str], payload: bytes) -> tuple[int, bytes]:
        boundary = re.match(r'multipart/form-data; boundary="?([^"]+)"?$', headers["content-type"])
        assert boundary, headers
        fields: dict[str, tuple[str | None, bytes]] = {}
        for part in payload.split(b"--" + boundary[1].encode())[1:-1]:
            head, _, content = part.strip(b"\r\n").partition(b"\r\n\r\n")
            named = dict(re.findall(rb'(\w+)="([^"]*)"', head))
            fields[named[b"name"].decode()] = (named.get(b"filename", b"").decode() or None, content)
        filename, content = fields["file"]
        assert fields["purpose"][1] == b"batch"
        assert filename
        assert filename.endswith(".jsonl")
        self.made["upload"] += 1
        return self._json(self._file(filename, content if content.endswith(b"\n") else content + b"\n", "batch"))

    def _file(self, filename: str, content: bytes, purpose: str) -> dict[str, Any]:
        name = f"file-{next(self._numbers)}"
        self.contents[name] = content
        self.files[name] = {
            "id": name,
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": filename,
            "purpose": purpose,
            "status": "pending" if self.pending and purpose == "batch" else "processed",
        }
        return self.files[name]

    def _create(self, asked: dict[str, Any]) -> tuple[int, bytes]:
        source = self.files.get(asked["input_file_id"])
        if source is None or source["status"] != "processed":
            return 400, json.dumps({"error": {"code": "invalid_file", "message": "no such file"}}).encode()
        assert asked["completion_window"] == "24h"
        calls = [json.loads(line) for line in self.contents[source["id"]].splitlines()]
        assert {call["url"] for call in calls} == {asked["endpoint"]}
        assert len({call["custom_id"] for call in calls}) == len(calls)
        self.sent.update(call["custom_id"] for call in calls)
        self.made["batch"] += 1
        name = f"batch_{next(self._numbers)}"
        self.batches[name] = {
            "id": name,
            "object": "batch",
            "endpoint": asked["endpoint"],
            "errors": None,
            "input_file_id": source["id"],
            "status": self.states[0],
            "output_file_id": None,
            "error_file_id": None,
            "created_at": int(time.time()),
            "request_counts": {"total": len(calls), "completed": 0, "failed": 0},
            "metadata": asked["metadata"],
            "states": list(self.states[1:]),
        }
        return self._json({key: value for key, value in self.batches[name].items() if key != "states"})

    def _go_on(self, batch: dict[str, Any]) -> None:
        if not batch["states"]:
            return
        batch["status"] = status = batch["states"].pop(0)
        if status == "failed":
            batch["errors"] = {"object": "list", "data": [{"code": "invalid_json_line", "message": "CANARY", "line": 3}]}
        if batch["states"] or status == "failed":
            return
        calls = [json.loads(line) for line in self.contents[batch["input_file_id"]].splitlines()]
        reached = calls if status == "completed" else calls[: max(0, len(calls) - self.undone)]
        good, bad = [], []
        for call in reached:
            failed = self.fails(call)
            body = {"error": {"message": "CANARY"}} if failed else self.complete(call["body"])
            response = {"status_code": failed or 200, "request_id": "r", "body": body}
            (bad if failed else good).append({"id": "b", "custom_id": call["custom_id"], "response": response, "error": None})
        late = {"code": f"batch_{status}", "message": "CANARY"}
        bad += [{"id": "b", "custom_id": c["custom_id"], "response": None, "error": late} for c in calls[len(reached) :]]
        random.Random(7).shuffle(good)
        batch["request_counts"] |= {"completed": len(good), "failed": len(bad)}
        for lines, key in ((self.spoil(good), "output_file_id"), (bad, "error_file_id")):
            if lines:
                content = "".join(json.dumps(line) + "\n" for line in lines).encode()
                batch[key] = self._file(f"{batch['id']}_{key}.jsonl", content, "batch_output")["id"]

    def _list(self, rows: dict[str, dict[str, Any]], query: dict[str, list[str]]) -> tuple[int, bytes]:
        purpose = query.get("purpose", [None])[0]
        newest = [row for row in reversed(rows.values()) if purpose in (None, row.get("purpose"))]
        after = query.get("after", [None])[0]
        start = next((place + 1 for place, row in enumerate(newest) if row["id"] == after), 0)
        page = newest[start : start + self.page]
        more = start + self.page < len(newest)
        return self._json({"object": "list", "data": page, "has_more": more, "last_id": page[-1]["id"] if page else None})

    def _json(self, data: Any) -> tuple[int, bytes]:
        return 200, json.dumps(data).encode()

    def _gone(self) -> tuple[int, bytes]:
        return 404, json.dumps({"error": {"message": "No such thing", "code": "not_found"}}).encode()

    def _error(self, status: int, message: str) -> Answer:
        return Answer(status, json.dumps({"error": {"message": message, "code": None}}).encode())
