"""Listening: on this machine, or, with a certificate and a recorded approval, for colleagues."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from aiohttp import web

from ehrbench.errors import MissingError, PolicyError, UsageError
from ehrbench.runs.approvals import load_approvals, origin
from ehrbench.runs.policy import approval_for
from ehrbench.tasks.schema import TaskSpec
from ehrbench.workbench.access import Gate

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_QUIET = logging.getLogger("ehrbench.workbench")  # aiohttp's own would log malformed requests, and those may hold anything
_QUIET.disabled = True


class Place(NamedTuple):
    """Where a server listens."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any free one."""
    context: ssl.SSLContext | None = None

    @property
    def scheme(self) -> str:
        """``https`` with a certificate."""
        return "http" if self.context is None else "https"


def local_place(port: int) -> Place:
    """This machine, for nobody else."""
    return Place("127.0.0.1", port)


def shared_place(listen: str, cert: Path | None, key: Path | None, task: TaskSpec) -> Place:
    """An address that colleagues can reach.

    Args:
        listen: ``HOST:PORT``, the host as colleagues type it.
        cert: certificate of that host, PEM.
        key: its private key.
        task: whose records are shown.

    Raises:
        UsageError: not an address, or one that names no single host.
        PolicyError: it is not loopback and the certificate or the approval is missing.
        MissingError: a file is not there.
    """
    host, colon, digits = listen.rpartition(":")
    if not colon or not host or not digits.isdigit() or not 0 < int(digits) < 65536:
        raise UsageError(f"--listen is '{listen}': expected HOST:PORT, as workbench.hospital.example:8443")
    port = int(digits)
    if host in ("0.0.0.0", "[::]", "*"):  # noqa: S104
        raise UsageError(f"--listen {listen} names every address of this machine; name the one that colleagues open")
    if (cert is None) != (key is None):
        raise UsageError("--tls-cert and --tls-key belong together; give both")
    if host in LOOPBACK and cert is None:
        return Place("127.0.0.1" if host == "localhost" else host.strip("[]"), port)
    if cert is None or key is None:
        raise PolicyError(
            f"{host} is not this machine alone, so records would cross the network; give a certificate with --tls-cert and "
            "--tls-key, or leave --listen out"
        )
    endpoint = origin(f"https://{host}:{port}")
    if host not in LOOPBACK and approval_for(task, endpoint, load_approvals()) is None:
        raise PolicyError(
            f"nobody has recorded that the records of '{task.task}' may be shown at {endpoint}; if your data use agreement "
            f"allows it, record it: ehrbench approve {endpoint} --tasks {task.task} --by NAME --agreement TEXT"
        )
    for path, option in ((cert, "--tls-cert"), (key, "--tls-key")):
        if not path.is_file():
            raise MissingError(f"{option} {path} is not there; name a PEM file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except (ssl.SSLError, OSError) as error:
        raise UsageError(f"{cert} and {key} are not a certificate and its key ({type(error).__name__})") from None
    return Place(host.strip("[]"), port, context)


def open_socket(place: Place) -> socket.socket:
    """Bind, before anything is promised.

    Raises:
        UsageError: the port is taken, or the host is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise UsageError(
            f"{place.host}:{place.port} cannot be listened on ({error.strerror or 'unknown host'}); "
            "choose another port, or stop the program that holds it"
        ) from None
    return listener


def address(place: Place, port: int) -> str:
    """The server's address for people."""
    host = f"[{place.host}]" if ":" in place.host else place.host
    return f"{place.scheme}://{host}:{port}"


def run_server(
    app: web.Application,
    gate: Gate,
    place: Place,
    *,
    idle_minutes: float,
    ready: Callable[[str], object],
) -> bool:
    """Serve until interrupted or idle.

    Args:
        app: what is served, its gate installed.
        gate: the app's.
        place: where.
        idle_minutes: close after so many minutes without a request; 0: never.
        ready: told the address once requests are answered.

    Returns:
        Whether it closed because nobody asked for anything.

    Raises:
        UsageError: the place cannot be listened on.
    """
    listener = open_socket(place)
    port = listener.getsockname()[1]
    hosts = {"127.0.0.1", "localhost"} if place.host in ("127.0.0.1", "::1") else {place.host}
    gate.open_at(place.scheme, {f"[{h}]" if ":" in h else h for h in {*hosts, place.host}}, port)
    return asyncio.run(_serve(app, gate, listener, place, idle_minutes * 60, lambda: ready(address(place, port))))


async def _serve(
    app: web.Application, gate: Gate, listener: socket.socket, place: Place, idle_s: float, ready: Callable[[], object]
) -> bool:
    runner = web.AppRunner(app, access_log=None, logger=_QUIET, handle_signals=False, shutdown_timeout=2.0)
    await runner.setup()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError, RuntimeError, ValueError):  # not the main thread, or not a Unix
            loop.add_signal_handler(number, stop.set)
    try:
        await web.SockSite(runner, listener, ssl_context=place.context).start()
        ready()
        while not stop.is_set():
            left = idle_s - (time.monotonic() - gate.last_request) if idle_s else 3600.0
            if idle_s and left <= 0:
                return True
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(stop.wait(), left)
        return False
    finally:
        await runner.cleanup()
        listener.close()
