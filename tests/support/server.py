"""A loopback server that speaks enough of the OpenAI API to be run against, and fails on request.

    with Server(script=["429:0.2", "reset"]) as server:      # in a thread; the first two calls fail
        model = load_model("openai:stub", {"base_url": server.url}, None)

    python -m tests.support.server --latency 0.2 --rate 429=0.1   # prints its base URL; GET /stats counts

Answers depend on the prompt alone, so any two runs agree. Error bodies quote the prompt, as real servers' do.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import functools
import hashlib
import json
import re
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tests.support.batches import Batches

REASONS = {200: "OK", 307: "Temporary Redirect", 400: "Bad Request", 429: "Too Many Requests", 500: "Internal Server Error"}
ERROR_CODES = {"overflow": "context_length_exceeded", "filter": "content_filter", "quota": "insufficient_quota"}


def prompt_of(body: Mapping[str, Any]) -> str:
    """The text a request asks about: its prompt, or its messages one after the other."""
    if "prompt" in body:
        return str(body["prompt"])
    return "\n".join(message["content"] for message in body.get("messages") or body.get("input", ()))


@functools.cache
def bomb(size: int = 1 << 30) -> bytes:
    """A gzip body of about a thousandth of what it unpacks to: JSON with one long answer."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [packer.compress(b'{"choices": [{"finish_reason": "stop", "message": {"content": "')]
    block = b"a" * (1 << 20)
    parts += [packer.compress(block) for _ in range(size // len(block))]
    return b"".join([*parts, packer.compress(b'"}}]}'), packer.flush()])


def prompt_hash(text: str) -> str:
    """The name under which the counters know a prompt."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def not_in_responses(body: Mapping[str, Any]) -> str | None:
    """A field that OpenAI's Responses API refuses."""
    few = body.get("max_output_tokens", 16) < 16
    return next((name for name in ("seed", "stop", "response_format", "messages", "max_tokens") if name in body), None) or (
        "max_output_tokens" if few else None
    )


def responses_api(choice: Mapping[str, Any], usage: Mapping[str, Any]) -> dict[str, Any]:
    """A chat completion in the form of OpenAI's Responses API."""
    message, ended = choice["message"], choice["finish_reason"]
    output: list[dict[str, Any]] = []
    if message.get("reasoning_content"):
        output.append({"type": "reasoning", "summary": [{"type": "summary_text", "text": message["reasoning_content"]}]})
    if message.get("refusal"):
        output.append({"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": message["refusal"]}]})
    elif message.get("content") is not None:
        output.append({"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": message["content"]}]})
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(ended)
    return {
        "id": "resp",
        "object": "response",
        "status": "completed" if reason is None else "incomplete",
        "error": None,
        "incomplete_details": None if reason is None else {"reason": reason},
        "model": "stub-0613",
        "output": output,
        "usage": {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": usage.get("prompt_tokens_details", {}),
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": usage.get("completion_tokens_details", {}),
        },
    }


class Raw(NamedTuple):
    """A reply given byte for byte, where a fault's name would stand."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = {}
    repeat: int = 1
    """How often the body is sent: a body larger than what is held in memory."""

    @classmethod
    def of(cls, data: Any, status: int = 200, **headers: str) -> Raw:
        """A reply of plain data as JSON."""
        return cls(status, json.dumps(data).encode(), headers)


class Server:
    """The stub, served from a thread while its context is open.

    A fault is named by its status, with an optional Retry-After (``429:0.2``), or is one of ``reset`` (RST), ``close`` (no
    answer), ``truncated`` (body shorter than declared), ``garbage`` (not JSON), ``hang`` (silence), ``null`` (content null),
    ``nochoices``, ``overflow``, ``filter`` and ``quota`` (400, 400, 429 with that code), ``filtered`` (finish_reason),
    ``refusal``, ``loading`` (503), ``bomb`` (a gigabyte in gzip), ``ok``; or it is a ``Raw`` reply.
    """

    def __init__(
        self,
        *,
        script: Sequence[str | Raw] = (),
        rates: Mapping[str, float] | None = None,
        poison: str | None = None,
        latency: float = 0.0,
        capacity: int | None = None,
        answer: Callable[[dict[str, Any]], str | dict[str, Any]] | None = None,
        logprobs: Mapping[str, float] | None = None,
        models: Sequence[Mapping[str, Any]] = ({"id": "stub", "max_model_len": 4096},),
        redirect: str = "",
        window: int = 1 << 30,
        uncached: bool = False,
        loading: float = 0.0,
        outage: tuple[int, float] | None = None,
        keep: bool = True,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        admit: Callable[[Mapping[str, str]], bool] = lambda headers: True,
    ) -> None:
        """Configure the stub.

        Args:
            script: faults of the first calls, in order of arrival; then ``rates`` apply.
            rates: share of calls that fail in each way; which ones depends on the prompt and on how often it was sent.
            poison: every prompt holding this text gets a 400.
            latency: seconds before each answer.
            capacity: more calls at once than this get 429.
            answer: makes the content, or the whole message, from a request's body.
            logprobs: log-probabilities of first tokens; None: the server has none.
            models: what ``/models`` lists; empty: 404.
            redirect: where a 307 points.
            window: tokens (bytes) of a prompt that it reads; it says how many and answers all the same.
            uncached: it counts only the tokens of a prompt that it has not in its cache, and does not say how many those are.
            loading: seconds from the first call on in which every call gets a 503 that says so.
            outage: after so many calls it is gone for so many seconds: connections break and are refused.
            keep: hold every request's body and headers for inspection.
            port: 0 takes a free one.
            tls: its certificate; None: it speaks plain HTTP.
            admit: whether a call with these headers is taken; else it gets 401.
        """
        self.script = list(script)
        self.rates = dict(rates or {})
        self.poison = poison
        self.latency = latency
        self.capacity = capacity
        self.answer = answer
        self.logprobs = logprobs
        self.models = list(models)
        self.redirect = redirect
        self.window = window
        self.uncached = uncached
        self.loading = loading
        self.outage = outage
        self.keep = keep
        self.tls = tls
        self.admit = admit
        self.batches: Batches | None = None
        """Its batch service; see ``with_batches``."""
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.times: list[float] = []
        self.requests: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.in_flight = self.peak = self.connections = self.bytes_in = 0
        self.alive: set[_Connection] = set()
        self._cache: set[bytes] = set()
        self._first_call: float | None = None
        self._listening: asyncio.Server | None = None
        self.dying: asyncio.Task[None] | None = None
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port: int = self._socket.getsockname()[1]
        self._loop = asyncio.SelectorEventLoop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="stub-server")

    @property
    def url(self) -> str:
        """The base URL to give a client."""
        return f"http://127.0.0.1:{self.port}/v1"

    def with_batches(self, **settings: Any) -> Batches:
        """Give it a batch service, which answers as the server itself does; see ``Batches``."""

        def complete(body: dict[str, Any]) -> dict[str, Any]:
            text = prompt_of(body)
            return self.completion(body, text, prompt_hash(text), "ok")

        self.batches = Batches(complete, **settings)
        return self.batches

    def stats(self) -> dict[str, Any]:
        """The counters, as ``GET /stats`` shows them."""
        return {
            "calls": self.requests.total(),
            "requests": dict(self.requests),
            "answered": dict(self.answered),
            "peak": self.peak,
            "connections": self.connections,
            "bytes_in": self.bytes_in,
        }

    def __enter__(self) -> Server:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        self._listening = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Connection(self), sock=self._socket, ssl=self.tls)
        )
        self._loop.call_soon(self._ready.set)
        try:
            self._loop.run_forever()
        finally:
            if self.dying is not None:
                self.dying.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    self._loop.run_until_complete(self.dying)
            for listening in self._listening.sockets:
                self._loop.remove_reader(listening)  # from here on nothing is accepted
            self._loop.run_until_complete(self._hang_up(self._listening))
            self._loop.close()

    async def _hang_up(self, server: asyncio.Server) -> None:
        # A socket that was accepted becomes a connection in a task of its own, which fails on a server that is closed.
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))
        server.close()
        while self.alive:
            for connection in self.alive:
                connection.transport.abort()
            await asyncio.sleep(0)

    def serve_forever(self) -> None:
        """Serve in this thread until interrupted."""
        self._run()

    async def die(self, seconds: float) -> None:
        """Be gone for a while: close the port, break every connection, and listen again later."""
        assert self._listening is not None
        self._listening.close()
        for connection in self.alive:
            connection.transport.abort()
        await asyncio.sleep(seconds)
        self._listening = await self._loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port)

    def fault(self, text: str, key: str) -> str | Raw:
        """Which way this call fails, or ``ok``."""
        if self.loading:
            now = time.monotonic()
            self._first_call = self._first_call or now
            if now - self._first_call < self.loading:
                return "loading"
        if self.poison is not None and self.poison in text:
            return "400"
        if self.script:
            return self.script.pop(0)
        if self.capacity is not None and self.in_flight > self.capacity:
            return "429:0.02"
        if self.rates:
            roll = int.from_bytes(hashlib.sha256(f"{key} {self.requests[key]}".encode()).digest()[:6], "big") / 2**48
            for name, rate in self.rates.items():
                roll -= rate
                if roll < 0:
                    return name
        return "ok"

    def message(self, body: dict[str, Any], key: str) -> tuple[dict[str, Any], str]:
        """The answer's message and finish reason: deterministic words, cut at ``max_tokens``."""
        made = self.answer(body) if self.answer else f"answer {key}"
        message = made if isinstance(made, dict) else {"content": made}
        limit = body.get("max_completion_tokens", body.get("max_output_tokens", body.get("max_tokens", 1 << 30)))
        words = (message.get("content") or "").split(" ")
        if len(words) > limit:
            return {**message, "content": " ".join(words[:limit])}, "length"
        return message, message.pop("finish_reason", "stop") if isinstance(made, dict) else "stop"

    def count(self, text: str) -> int:
        """Tokens of a prompt that the server says it read: its bytes, up to the window."""
        raw = text.encode("utf-8", "surrogatepass")[: self.window]
        if not self.uncached:
            return len(raw)
        digest, known = hashlib.sha256(), 0
        for start in range(0, len(raw), 64):
            digest.update(raw[start : start + 64])
            if digest.digest() in self._cache:
                known = min(start + 64, len(raw))
            self._cache.add(digest.digest())
        return max(1, len(raw) - known)

    def completion(self, body: dict[str, Any], text: str, key: str, fault: str) -> dict[str, Any]:
        """The JSON of a successful call."""
        chat = "messages" in body
        message, finish = self.message(body, key)
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
        if fault == "null":
            message = {**message, "content": None}
        elif fault == "filtered":
            choice["finish_reason"] = "content_filter"
        elif fault == "refusal":
            message = {"content": None, "refusal": "I cannot help with " + text}
        if chat or "input" in body:
            choice["message"] = {"role": "assistant", **message}
        else:
            choice["text"] = message["content"]
        if self.logprobs is not None and body.get("logprobs"):
            ranked = sorted(self.logprobs.items(), key=lambda pair: -pair[1])[: int(body.get("top_logprobs", body["logprobs"]))]
            if chat:
                top = [{"token": token, "logprob": value} for token, value in ranked]
                choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
            else:
                choice["logprobs"] = {"tokens": [ranked[0][0]], "top_logprobs": [dict(ranked)]}
        usage: dict[str, Any] = {
            "prompt_tokens": self.count(text),
            "completion_tokens": len((message.get("content") or "").split()),
            **({} if self.uncached else {"prompt_tokens_details": {"cached_tokens": 3}}),
        }
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
        if "reasoning_tokens" in message:
            usage["completion_tokens_details"] = {"reasoning_tokens": message.pop("reasoning_tokens")}
        if "input" in body:
            return responses_api(choice, usage)
        return {"id": key, "model": "stub-0613", "choices": [] if fault == "nochoices" else [choice], "usage": usage}


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, server: Server) -> None:
        self.server = server
        self.buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.server.connections += 1
        self.server.alive.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.server.alive.discard(self)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self.buffer[:end]).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        length = int(headers.get("content-length", 0))
        if len(self.buffer) < end + 4 + length:
            return
        payload = bytes(self.buffer[end + 4 : end + 4 + length])
        del self.buffer[: end + 4 + length]
        self.handle(head[0].split(" "), headers, payload)

    def handle(self, request: list[str], headers: dict[str, str], payload: bytes) -> None:
        server, path = self.server, request[1]
        if re.search(r"/(files|batches)\b", path):
            return self.serve_batches(request[0], path, headers, payload)
        if path == "/stats":
            return self.send(200, server.stats())
        if request[0] == "GET":
            server.paths.append(path)
            return self.send(200, {"data": server.models}) if server.models else self.send(404, {"error": {"message": "none"}})
        body = json.loads(payload)
        text = prompt_of(body)
        key = prompt_hash(text)
        if server.keep:
            server.bodies.append(body)
            server.headers.append(headers)
            server.paths.append(path)
            server.times.append(time.monotonic())
        server.bytes_in += len(payload)
        server.requests[key] += 1
        server.in_flight += 1
        server.peak = max(server.peak, server.in_flight)
        fault = server.fault(text, key) if server.admit(headers) else "401"
        if path.endswith("/responses") and (unknown := not_in_responses(body)):
            fault = Raw.of({"error": {"message": f"Unsupported parameter: '{unknown}'", "param": unknown}}, 400)
        if server.outage and server.requests.total() >= server.outage[0] and server.dying is None:
            server.dying = asyncio.get_running_loop().create_task(server.die(server.outage[1]))
            return self.transport.abort()
        if server.latency:
            asyncio.get_running_loop().call_later(server.latency, self.finish, body, text, key, fault)
        else:
            self.finish(body, text, key, fault)

    def serve_batches(self, method: str, path: str, headers: dict[str, str], payload: bytes) -> None:
        if not self.server.admit(headers):
            return self.send(401, {"error": {"message": "who are you?"}})
        answer = self.server.batches.handle(method, path, headers, payload) if self.server.batches else None
        if answer is None:
            return self.send(404, {"error": {"message": "no such path"}})
        if answer.lost:
            return self.transport.close()
        self.write(answer.status, answer.body, {}, declared=len(answer.body) * 2 if answer.cut else None)
        if answer.cut:
            self.transport.close()

    def finish(self, body: dict[str, Any], text: str, key: str, fault: str | Raw) -> None:
        self.server.in_flight -= 1
        if self.transport.is_closing():
            return
        if isinstance(fault, Raw):
            self.write(fault.status, fault.body, fault.headers, declared=len(fault.body) * fault.repeat)
            for _ in range(fault.repeat - 1):
                self.transport.write(fault.body)
            return
        name, _, retry_after = fault.partition(":")
        extra = {"Retry-After": retry_after} if retry_after else {}
        if name == "hang":
            return
        if name == "close":
            self.transport.close()
        elif name == "reset":
            connection = self.transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()
        elif name == "garbage":
            self.write(200, b"<html>not JSON: " + text.encode("utf-8", "replace")[:200], {})
        elif name == "truncated":
            raw = json.dumps(self.server.completion(body, text, key, "ok")).encode()
            self.write(200, raw[: len(raw) // 2], {}, declared=len(raw))
            self.transport.close()
        elif name == "loading":
            self.send(503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
        elif name == "bomb":
            self.write(200, bomb(), {"Content-Encoding": "gzip"})
        elif name in ERROR_CODES:
            message = f"This is {ERROR_CODES[name]}: {text}"
            self.send(429 if name == "quota" else 400, {"error": {"message": message, "code": ERROR_CODES[name]}}, extra)
        elif name.isdigit():
            if name.startswith("3"):
                extra = {"Location": self.server.redirect}
            self.send(int(name), {"error": {"message": f"failed on: {text}", "type": "stub", "code": None}}, extra)
        else:
            self.server.answered[key] += 1
            self.send(200, self.server.completion(body, text, key, name))

    def send(self, status: int, data: object, extra: Mapping[str, str] | None = None) -> None:
        self.write(status, json.dumps(data).encode(), extra or {})

    def write(self, status: int, raw: bytes, extra: Mapping[str, str], declared: int | None = None) -> None:
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", "Content-Type: application/json"]
        lines += [f"Content-Length: {len(raw) if declared is None else declared}", *(f"{k}: {v}" for k, v in extra.items())]
        self.transport.write("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)


def main() -> None:
    """Serve from the command line until interrupted."""
    parser = argparse.ArgumentParser(description="An OpenAI-compatible stub on 127.0.0.1 that fails on request.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--rate", action="append", default=[], metavar="FAULT=SHARE", help="for instance 429:0.1=0.1, reset=0.1")
    parser.add_argument("--poison", help="prompts holding this text get a 400")
    parser.add_argument("--uncached", action="store_true", help="count only tokens that are not cached")
    parser.add_argument("--loading", type=float, default=0.0, help="seconds from the first call on in which it is loading")
    parser.add_argument("--outage", metavar="CALLS:SECONDS", help="be gone for so long after so many calls")
    parser.add_argument("--keep", action="store_true", help="hold every request in memory")
    arguments = parser.parse_args()
    calls, _, seconds = (arguments.outage or "").partition(":")
    rates = {name: float(share) for name, share in (rate.rsplit("=", 1) for rate in arguments.rate)}
    server = Server(
        rates=rates,
        poison=arguments.poison,
        latency=arguments.latency,
        uncached=arguments.uncached,
        loading=arguments.loading,
        outage=(int(calls), float(seconds)) if calls else None,
        port=arguments.port,
        keep=arguments.keep,
    )
    print(server.url, flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
