"""The stub server ends cleanly, whatever it is doing."""

from __future__ import annotations

import contextlib
import socket

from tests.support.server import Server


def test_a_client_accepted_at_the_last_moment_is_hung_up_on() -> None:
    server = Server().__enter__()
    clients: list[socket.socket] = []

    def connect_and_stop() -> None:
        # The loop accepts the client in the same turn in which it learns that it is to stop.
        clients.append(socket.create_connection(("127.0.0.1", server.port)))
        server._loop.call_soon(server._loop.stop)

    server._loop.call_soon_threadsafe(connect_and_stop)
    server._thread.join()
    with clients[0] as client, contextlib.suppress(ConnectionResetError):
        client.settimeout(10)
        assert client.recv(1) == b""
    assert not server.alive
