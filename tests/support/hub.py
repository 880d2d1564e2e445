"""A hub on the loopback interface: enough of the Hugging Face HTTP interface to list and download a dataset's files."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Serves datasets, each a mapping of file names to bytes, and remembers what was asked."""

    def __init__(self, datasets: Mapping[str, Mapping[str, bytes]]) -> None:
        self.datasets = datasets
        self.asked: list[str] = []
        self.authorizations: set[str | None] = set()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(True)

            def do_HEAD(self) -> None:
                self._answer(False)

            def log_message(self, *args: object) -> None:
                pass

            def _answer(self, with_body: bool) -> None:
                path = unquote(urlsplit(self.path).path)
                hub.asked.append(f"{self.command} {path}")
                hub.authorizations.add(self.headers.get("Authorization"))
                found = hub._find(path)
                body = b"not here" if found is None else found
                self.send_response(404 if found is None else 200)
                self.send_header("Content-Length", str(len(body)))
                if found is None:
                    self.send_header("X-Error-Code", "RepoNotFound" if path.startswith("/api") else "EntryNotFound")
                else:
                    self.send_header("ETag", f'"{hashlib.sha1(body).hexdigest()}"')
                    self.send_header("X-Repo-Commit", COMMIT)
                    self.send_header("Content-Type", "application/json")
                self.end_headers()
                if with_body:
                    self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def _find(self, path: str) -> bytes | None:
        for name, files in self.datasets.items():
            if path.startswith(f"/api/datasets/{name}/tree/"):
                return json.dumps([_entry(file, content) for file, content in files.items()]).encode()
            if path.startswith(f"/api/datasets/{name}"):
                siblings = [{"rfilename": file} for file in files]
                return json.dumps({"id": name, "sha": COMMIT, "siblings": siblings, "tags": []}).encode()
            if path.startswith(f"/datasets/{name}/resolve/{COMMIT}/"):
                return files.get(path.removeprefix(f"/datasets/{name}/resolve/{COMMIT}/"))
        return None

    def __enter__(self) -> Hub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


def _entry(name: str, content: bytes) -> dict[str, object]:
    """A file in the listing of a repository's tree; its name there is git's, of its bytes."""
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    return {"type": "file", "path": name, "size": len(content), "oid": blob}
