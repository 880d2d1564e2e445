"""OpenAI's Responses API: what is sent, and the same ends as a chat completion's."""

from __future__ import annotations

import json

import pytest

from ehrbench.errors import UsageError
from ehrbench.models.capabilities import NoProbabilitiesError
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import ChoiceRequest, Message, Request, Response
from ehrbench.models.server.responses import as_chat
from tests.support.server import Server

CLIENTS = ["ehrbench", pytest.param("openai", marks=pytest.mark.openai)]
MESSAGES = (Message("system", "Be brief."), Message("user", "Any fever?"))


def ask(server: Server, api: str, max_tokens: int = 40, **more: str) -> Response:
    model = load_model("openai:stub", {"base_url": server.url, "api": api, "first_wait": "0.01", **more}, None)
    try:
        (response,) = model.generate([Request("r", MESSAGES, max_tokens)])
        return response
    finally:
        model.close()


@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_sent(client: str) -> None:
    with Server() as server:
        ask(server, "responses", reasoning_effort="low", omit="temperature", client=client)
    assert server.paths == ["/v1/responses"]
    assert server.bodies[0] == {
        "model": "stub",
        "input": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Any fever?"}],
        "store": False,
        "reasoning": {"effort": "low"},
        "max_output_tokens": server.bodies[0]["max_output_tokens"],
        "stream": False,
    }


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("fault", ["ok", "filtered", "refusal", "429:0.01", "500", "overflow", "filter", "garbage"])
def test_it_ends_as_a_chat_does(fault: str, client: str) -> None:
    ends = []
    for api in ("chat", "responses"):
        with Server(script=[fault]) as server:
            r = ask(server, api, client=client)
            ends.append((r.text, r.finish, r.error, r.reasoning, r.prompt_tokens, r.answer_tokens, r.cached_tokens, r.attempts))
    assert ends[0] == ends[1]


def test_thoughts_and_the_token_limit() -> None:
    long = " ".join(f"word{n}" for n in range(20))
    message = {"content": long, "reasoning_content": "hm", "reasoning_tokens": 5}
    with Server(answer=lambda body: dict(message)) as server:
        thoughtful, short = ask(server, "responses"), ask(server, "responses", 2)
    assert (thoughtful.text, thoughtful.reasoning, thoughtful.reasoning_tokens) == (long, "hm", 5)
    assert (short.text, short.finish) == (long[: long.index(" word16")], "length"), "it takes no limit below 16"


def test_a_reply_that_failed_or_says_nothing_is_tried_again() -> None:
    assert as_chat({"output": [], "status": "failed"})["choices"][0]["finish_reason"] == "error"
    with Server(script=["null", "ok"]) as server:
        assert ask(server, "responses").attempts == 2
    for odd in ([], {"output": None}, {"output": [3, {"type": "message", "content": 4}]}):
        json.dumps(as_chat(odd))


def test_what_it_does_not_have_is_said() -> None:
    model = load_model("openai:stub", {"base_url": "http://127.0.0.1:9/v1", "api": "responses"}, None)
    with pytest.raises(NoProbabilitiesError, match="use api=chat"):
        list(model.choice_probabilities([ChoiceRequest("c", MESSAGES, (("yes",), ("no",)))]))
    with pytest.raises(UsageError, match="give api_version=v1, too"):
        load_model("azure:x", {"base_url": "https://x", "api": "responses"}, None)
    azure = load_model("azure:x", {"base_url": "https://x", "api": "responses", "api_version": "v1"}, None)
    assert azure.call_url == "https://x/openai/v1/responses"
