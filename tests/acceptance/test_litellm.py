"""Models that do not speak OpenAI's protocol, through LiteLLM's own proxy: a stub of Anthropic's API stands behind it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import UsageError
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import Message, Request, Response

pytestmark = pytest.mark.litellm

KEY = f"sk-{os.urandom(16).hex()}"
CONFIG = """
model_list:
  - model_name: claude
    litellm_params: {{model: anthropic/claude-sonnet-4-5, api_base: "http://127.0.0.1:{port}", api_key: upstream-key}}
litellm_settings: {{drop_params: true, num_retries: 0, telemetry: false}}
"""


class Anthropic(BaseHTTPRequestHandler):
    """Answers by what it is asked."""

    bodies: list[dict[str, Any]] = []
    busy = 0

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = json.dumps(body["messages"])
        type(self).bodies.append(body)
        if "too long" in text:
            return self.say(400, {"type": "error", "error": {"type": "invalid_request_error",
                            "message": "prompt is too long: 210000 tokens > 200000 maximum"}})  # fmt: skip
        if "busy" in text and type(self).busy == 0:
            type(self).busy += 1
            return self.say(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
        if "wrong key" in text:
            return self.say(401, {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}})
        ends = "refusal" if "decline" in text else "max_tokens" if "long answer" in text else "end_turn"
        content = [] if ends == "refusal" else [{"type": "text", "text": "yes"}]
        self.say(200, {"id": "m", "type": "message", "role": "assistant", "model": body["model"], "content": content,
                       "stop_reason": ends, "usage": {"input_tokens": 40, "output_tokens": 3}})  # fmt: skip
        return None

    def say(self, status: int, data: Any) -> None:
        raw = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Anthropic)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    folder = tmp_path_factory.mktemp("litellm")
    (folder / "config.yaml").write_text(CONFIG.format(port=upstream.server_port))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).parent / "litellm"
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "HOME": str(folder), "LITELLM_MASTER_KEY": KEY}
    log = (folder / "log").open("wb")
    command = [str(program), "--config", str(folder / "config.yaml"), "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=folder)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health/liveliness", timeout=2).read()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()[-2000:]
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(20)
        log.close()
        upstream.shutdown()
        upstream.server_close()


def ask(url: str, text: str) -> Response:
    os.environ["LITELLM_KEY_OF_TEST"] = KEY
    model = load_model("openai:claude", {"base_url": url, "first_wait": "0.05", "api_key_env": "LITELLM_KEY_OF_TEST"}, None)
    try:
        (response,) = model.generate([Request("r", (Message("system", "Be brief."), Message("user", text)), 16, seed=3)])
        return response
    finally:
        model.close()


def test_an_answer_with_its_counts(gateway: str) -> None:
    response = ask(gateway, "Any fever?")
    assert (response.text, response.finish, response.prompt_tokens, response.answer_tokens) == ("yes", "stop", 40, 3)
    assert "seed" not in Anthropic.bodies[-1], "the proxy drops what the API has not (drop_params)"


def test_ends_are_those_of_any_server(gateway: str) -> None:
    assert ask(gateway, "a prompt that is too long").finish == "overflow"
    assert ask(gateway, "a long answer").finish == "length"
    assert ask(gateway, "decline this").finish == "refused"
    busy = ask(gateway, "busy")
    assert (busy.finish, busy.attempts) == ("stop", 2)


def test_a_refused_key_of_the_api_behind_stops_the_run(gateway: str) -> None:
    with pytest.raises(UsageError, match="HTTP 401"):
        ask(gateway, "wrong key")
