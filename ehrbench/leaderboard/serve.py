"""Serve a built site on the loopback interface."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ehrbench.errors import UsageError


def serve(site: Path, port: int, say: Callable[[str], object]) -> None:
    """Serve until interrupted.

    Raises:
        UsageError: no site there, or the port is taken.
    """
    if not (site / "index.html").is_file():
        raise UsageError(f"{site} holds no site; 'ehrbench leaderboard build --out {site}' makes one")
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(SimpleHTTPRequestHandler, directory=str(site)))
    except OSError as error:
        raise UsageError(f"port {port} cannot be used ({error.strerror}): name another with --port") from None
    with server:
        say(f"http://127.0.0.1:{server.server_address[1]}/  (Ctrl-C ends it)")
        server.serve_forever()
