"""An approved server that is reached through a named proxy: the proxy learns its name and sees no text."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.chart import CANARIES, ehrbench, rows, run_folders, write_release
from tests.support.server import Server

HOST = "models.hospital.example"


class Proxy:
    """Opens a tunnel to one port of this machine, whatever host is asked for, and keeps what it saw."""

    def __init__(self, target: int) -> None:
        self.asked: list[str] = []
        self.seen = bytearray()
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._tunnel, args=(client,), daemon=True).start()

    def _tunnel(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        self.asked.append(head.split(b"\r\n")[0].decode())
        self.seen += head
        server = socket.create_connection(("127.0.0.1", self._target))
        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        threading.Thread(target=self._pass_on, args=(server, client), daemon=True).start()
        self._pass_on(client, server)

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while part := one.recv(65536):
                self.seen += part
                other.sendall(part)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Server, Path]]:
    """A server with a certificate of its own for ``HOST``, and the certificate."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    subprocess.run([*make, *names, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    with Server(tls=context) as server:
        yield server, cert


def test_the_proxy_learns_the_servers_name_and_no_text(
    served: tuple[Server, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, cert = served
    data, home = write_release(tmp_path / "data", patients=1, entries=3), tmp_path / "home"
    address = f"https://{HOST}:{server.port}"
    proxy = Proxy(server.port)
    asked = ["run", "--tasks", "medalign", "--context", "truncate", "--metrics", "rouge_l", "--budget-tokenizer", "words"]
    asked += ["--model", "openai:stub", "--data-dir", str(data), "--out", str(tmp_path / "out"), "--max-model-len", "4096"]
    asked += ["--model-arg", f"base_url={address}/v1", "--model-arg", f"proxy={proxy.url}", "--model-arg", "retry_seconds=0"]
    assert ehrbench(*asked, home=home).returncode == 4, "a proxy is no way round the approval"
    assert not proxy.asked
    assert ehrbench("approve", address, "--tasks", "medalign", "--by", "A", "--agreement", "B", home=home).returncode == 0
    untrusted = ehrbench(*asked, home=home)
    assert untrusted.returncode != 0 and not server.bodies, "a proxy that shows a certificate of its own gets nothing"
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    finished = ehrbench(*asked, home=home)
    proxy.close()
    assert finished.returncode == 0, finished.stderr
    assert server.bodies and set(proxy.asked) == {f"CONNECT {HOST}:{server.port} HTTP/1.1"}
    (folder,) = run_folders(tmp_path / "out")
    answers = [row["answer"] for row in rows(folder / "private" / "predictions.jsonl")]
    assert answers
    assert not [text for text in (*CANARIES, *answers, "stub") if text.encode() in proxy.seen]


@pytest.mark.parametrize(
    ("base_url", "proxy", "said"),
    [
        ("http://models.hospital.example/v1", "http://proxy:3128", "the proxy would read the text"),
        ("http://localhost:8000/v1", "http://proxy:3128", "is on this machine and is reached without one"),
        ("https://models.hospital.example/v1", "proxy:3128", "proxy is not an address: expected http://host:port"),
        ("https://models.hospital.example/v1", "http://me:secret@proxy:3128", "proxy holds a user or password"),
    ],
)
def test_a_proxy_that_cannot_be_used(base_url: str, proxy: str, said: str) -> None:
    asked = ["run", "--tasks", "medalign", "--model", "openai:stub", "--model-arg", f"base_url={base_url}"]
    refused = ehrbench(*asked, "--model-arg", f"proxy={proxy}")
    assert refused.returncode == 2
    assert said in refused.stderr.replace("\n", " ") and "secret" not in refused.stderr
