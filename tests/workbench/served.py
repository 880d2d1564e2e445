"""Servers of the workbench for tests: in a thread, or as the command itself."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aiohttp import web

from ehrbench.workbench.access import Gate


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    text: str

    def json(self) -> Any:
        return json.loads(self.text)


class Client:
    """A browser's manners without a browser."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.host = f"127.0.0.1:{port}"
        self.cookie = ""

    def ask(self, path: str, method: str = "GET", body: str | None = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"Host": self.host, "Cookie": self.cookie} | {k.replace("_", "-"): v for k, v in headers.items()}
        if method == "POST":
            sent = {"Origin": f"http://{self.host}"} | sent
        connection.request(method, path, body, {k: v for k, v in sent.items() if v})
        reply = connection.getresponse()
        text = reply.read().decode()
        connection.close()
        return Reply(reply.status, dict(reply.getheaders()), text)

    def enter(self, token: str) -> Reply:
        reply = self.ask(f"/enter/{token}")
        self.cookie = reply.headers.get("Set-Cookie", "").partition(";")[0]
        return reply

    def act(self, item: int, field: str, subject: str, value: Any, seen: int, client: str, seconds: float = 1.0) -> Reply:
        body = {"field": field, "subject": subject, "value": value, "seen": seen, "client": client, "seconds": seconds}
        return self.ask(f"/item/{item}", "POST", json.dumps(body), Content_Type="application/json")


@contextmanager
def in_thread(app: web.Application, gate: Gate) -> Iterator[int]:
    """Serve an application; gives its port."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, access_log=None)

    async def start() -> int:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port: int = runner.addresses[0][1]
        gate.open_at("http", {"127.0.0.1", "localhost"}, port)
        return port

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield asyncio.run_coroutine_threadsafe(start(), loop).result(30)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class Command:
    """A command that serves, started for real."""

    def __init__(self, *arguments: str | Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ehrbench", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        self.links: dict[str, str] = {}

    def wait_for_links(self, n: int = 1) -> dict[str, str]:
        assert self.process.stdout is not None
        while len(self.links) < n:
            line = self.process.stdout.readline()
            if not line:
                assert self.process.stderr is not None
                raise AssertionError(f"the server ended: {self.process.stderr.read()}")
            if found := re.search(r"(.*?)\s*(https?://\S+/enter/\S+)", line):
                self.links[found[1].strip()] = found[2]
        return self.links

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._close()

    def stop(self) -> str:
        """Interrupt; gives what it wrote to standard error."""
        self.process.send_signal(signal.SIGINT)
        _, errors = self.process.communicate(timeout=30)
        return errors

    def _close(self) -> None:
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()
