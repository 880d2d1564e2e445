"""What is asked of a server: the fields that were chosen, and nothing else."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import UsageError
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import Message, Request
from ehrbench.models.server import body as bodies
from ehrbench.models.server.model import ServerModel
from tests.support.server import Server

MESSAGES = (Message("system", "Be brief."), Message("user", "Which drug?"))


def sent(args: dict[str, str] | None = None, **request: Any) -> dict[str, Any]:
    with Server() as server:
        model = load_model("openai:org/stub", {"base_url": server.url, **(args or {})}, None)
        list(model.generate([Request("a", MESSAGES, 16, max_reasoning_tokens=100, **request)]))
    return server.bodies[0]


def test_the_plain_chat_body() -> None:
    assert sent() == {
        "model": "org/stub",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which drug?"}],
        "max_tokens": 16,
        "temperature": 0.0,
        "stream": False,
    }
    assert "stream" not in sent({"omit": "stream"})


def test_sampling_fields() -> None:
    body = sent(temperature=0.7, top_p=0.9, stop=("\n", "###"), seed=3)
    assert (body["temperature"], body["top_p"], body["stop"], body["seed"]) == (0.7, 0.9, ["\n", "###"], 3)
    assert "seed" not in sent({"omit": "seed, temperature"}, seed=3)


def test_completions() -> None:
    body = sent({"api": "completions"})
    assert body["prompt"] == "Be brief.\nWhich drug?"
    assert "messages" not in body


def test_thinking() -> None:
    on = sent({"thinking": "on"})
    assert (on["max_tokens"], on["chat_template_kwargs"]) == (116, {"enable_thinking": True})
    off = sent({"thinking": "off", "extra_body": '{"chat_template_kwargs": {"a": 1}, "top_k": 1}'})
    assert (off["max_tokens"], off["chat_template_kwargs"], off["top_k"]) == (16, {"enable_thinking": False, "a": 1}, 1)
    effort = sent({"reasoning_effort": "low"})
    assert (effort["max_completion_tokens"], effort["reasoning_effort"]) == (116, "low")
    assert "max_tokens" not in effort
    assert sent({"token_field": "max_completion_tokens"})["max_completion_tokens"] == 16


def test_azure_and_openai_are_not_sent_what_they_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "x")
    with Server() as server:
        args = {"base_url": server.url.removesuffix("/v1"), "thinking": "on", "api_version": "v1"}
        list(load_model("azure:dep", args, None).generate([Request("a", MESSAGES, 16)]))
    assert server.paths == ["/openai/v1/chat/completions"]
    assert "chat_template_kwargs" not in server.bodies[0]
    assert server.bodies[0]["model"] == "dep"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"base_urll": "x"}, r"unknown argument of openai 'base_urll' \(did you mean 'base_url'"),
        ({"thinking": "maybe"}, "thinking=maybe: expected one of on, off"),
        ({"api": "response"}, "expected one of chat, completions, responses"),
        ({"concurrency": "0"}, "expected a whole number from 1 to 4096"),
        ({"timeout": "soon"}, "expected a number of at least"),
        ({"max_retries": "1.5"}, "expected a whole number"),
        ({"extra_body": "[]"}, "expected a JSON object"),
        ({"extra_body": '{"messages": []}'}, "'messages' is set by ehrbench"),
        ({"extra_body": '{"stream": true}'}, "'stream' is set by ehrbench"),
        ({"omit": "model"}, "'model' cannot be left out"),
        ({"extra_body": '{"note": "sk-abcdefghijklmnop"}'}, "looks like a secret"),
    ],
)
def test_bad_arguments(args: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_model("openai:m", args, None)
    with pytest.raises(UsageError, match="which resource"):
        load_model("azure:m", {}, None)


def test_identity_holds_what_changes_an_answer_and_no_address() -> None:
    def identity(name: str = "org/m", **args: str) -> Any:
        return load_model(f"openai:{name}", {"base_url": "http://secret-host:1/v1", **args}, None).identity

    plain = identity()
    assert (plain.name, plain.backend, plain.settings["model"]) == ("m", "openai", "org/m")
    assert "secret-host" not in repr(plain)
    assert identity(concurrency="1", max_retries="0", timeout="5", first_wait="0") == plain
    others = [
        identity(thinking="off"), identity(reasoning_effort="low"), identity(extra_body='{"top_k": 1}'), identity(omit="seed"),
        identity(base_url="http://secret-host:2/v1"), identity("other/m"), identity(api="completions"),
    ]  # fmt: skip
    assert len({repr(one) for one in [plain, *others]}) == 8


def test_window_and_description(caplog: pytest.LogCaptureFixture) -> None:
    with Server(models=[{"id": "stub", "max_model_len": 4096, "root": "/data/llama", "owned_by": "vllm"}, {"id": "b"}]) as server:
        model = load_model("openai:stub", {"base_url": server.url}, None)
        assert isinstance(model, ServerModel)
        assert model.context_length is None
        assert model.describe() == {"max_model_len": 4096, "root": "/data/llama", "owned_by": "vllm"}
        assert model.context_length == 4096
        smaller = load_model("openai:stub", {"base_url": server.url}, 1024)
        assert isinstance(smaller, ServerModel)
        smaller.describe()
        assert smaller.context_length == 1024
        larger = load_model("openai:stub", {"base_url": server.url}, 8192)
        assert isinstance(larger, ServerModel)
        with pytest.raises(UsageError, match="--max-model-len 8192 is more than the 4096 tokens"):
            larger.describe()
        unlisted = load_model("openai:c", {"base_url": server.url}, None)
        assert isinstance(unlisted, ServerModel)
        assert unlisted.describe() == {}
        assert caplog.text.count("does not list a model 'c' (it lists 'stub', 'b')") == 1
    with Server(models=[]) as server:
        model = load_model("openai:stub", {"base_url": server.url}, None)
        assert isinstance(model, ServerModel)
        assert model.describe() == {}


def test_prompt_text() -> None:
    chat = load_model("openai:m", {}, None)
    assert chat.prompt_text(MESSAGES) == "<|system|>\nBe brief.\n<|user|>\nWhich drug?\n<|assistant|>\n"
    tokenizer = str(Path(__file__).parent.parent / "tiny" / "tokenizers" / "chatml")
    templated = load_model("openai:m", {"tokenizer": tokenizer, "thinking": "on"}, None)
    text = templated.prompt_text(MESSAGES)
    assert text.startswith("<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhich drug?<|im_end|>")
    assert templated.tokenizer is not None
    assert templated.tokenizer.count(text) > 8
    assert load_model("openai:m", {"api": "completions"}, None).prompt_text(MESSAGES) == "Be brief.\nWhich drug?"


def test_the_token_that_begins_a_plain_prompt_is_counted() -> None:
    """A server puts it there by itself; not counted, a prompt that fills the window is one token too long."""
    tokenizer = str(Path(__file__).parent.parent / "tiny" / "tokenizers" / "llama3")
    plain = load_model("openai:m", {"api": "completions", "tokenizer": tokenizer}, None)
    assert plain.tokenizer is not None
    assert plain.prompt_text(MESSAGES) == "<|begin_of_text|>Be brief.\nWhich drug?"
    assert plain.tokenizer.count(plain.prompt_text(MESSAGES)) == plain.tokenizer.count("Be brief.\nWhich drug?") + 1
    assert load_model("openai:m", {"api": "completions", "tokenizer": "words"}, None).prompt_text(MESSAGES).startswith("Be")


def test_with_and_without_orjson_the_same_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    texts = ["plain", "naïve \u2028 \U0001f600", 'quote " \\ \n\t\x00', "half \ud83d"]
    first = [json.loads(bodies.encode({"text": text})) for text in texts]
    monkeypatch.setattr(bodies, "_fast", bodies._stdlib_fast)
    assert [json.loads(bodies.encode({"text": text})) for text in texts] == first == [{"text": text} for text in texts]
    assert bodies.decode(b'{"a": -Infinity}') == {"a": float("-inf")}


def test_every_argument_is_explained_to_users() -> None:
    from ehrbench.models.server.load import ARGUMENTS

    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text()
    assert [name for name in [*ARGUMENTS, "api_version"] if f"`{name}`" not in page] == []


class _OnlyBelowV1(BaseHTTPRequestHandler):
    """As vLLM: nothing but what begins with /v1 is there."""

    def do_GET(self) -> None:
        there = self.path == "/v1/models"
        body = json.dumps({"data": [{"id": "clinical-8b"}, {"id": "b"}]} if there else {"detail": "Not Found"}).encode()
        self.send_response(200 if there else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_an_address_without_v1_is_answered_with_what_the_server_offers_below_it(caplog: pytest.LogCaptureFixture) -> None:
    with HTTPServer(("127.0.0.1", 0), _OnlyBelowV1) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://127.0.0.1:{server.server_port}"
        for address in (base, f"{base}/v1"):
            model = load_model("openai:clinical-8b", {"base_url": address}, None)
            assert isinstance(model, ServerModel)
            model.describe()
            model.describe()
            model.close()
        server.shutdown()
    (line,) = [record.message for record in caplog.records if "lists no models" in record.message]
    assert line == f"{base} lists no models and {base}/v1 does ('clinical-8b', 'b'): give --model-arg base_url={base}/v1"
