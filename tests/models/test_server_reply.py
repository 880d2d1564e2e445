"""What a reply says: answer and thinking apart, how it ended, tokens and cost."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse, Message, Response
from ehrbench.models.protocol import Request as ModelRequest
from ehrbench.models.server.reply import Malformed, choice_masses, read_answer, read_first_token
from tests.support.server import Raw, Server


def reply(message: dict[str, Any], finish: str | None = "stop", **usage: Any) -> dict[str, Any]:
    return {"choices": [{"message": message, "finish_reason": finish}], "usage": usage}


def read(
    message: dict[str, Any], finish: str | None = "stop", thinking: bool | None = None, **usage: Any
) -> tuple[str, str, str | None]:
    answer = read_answer(reply(message, finish, **usage), thinking)
    return answer.text, answer.finish, answer.reasoning


@pytest.mark.parametrize(
    ("message", "finish", "expected"),
    [
        ({"content": "Yes."}, "stop", ("Yes.", "stop", None)),
        ({"content": ""}, "stop", ("", "stop", None)),
        ({"content": "Yes"}, "length", ("Yes", "length", None)),
        ({"content": "<think>hm</think>\n\nYes"}, "stop", ("Yes", "stop", "hm")),
        ({"content": "hm</think>Yes"}, "stop", ("Yes", "stop", "hm")),
        ({"content": "<think>a</think>b<think>c</think>Yes"}, "length", ("Yes", "length", "a\n\nb\nc")),
        ({"content": "<think>hm"}, "length", ("", "reasoning_length", "hm")),
        ({"content": "<think>hm"}, "stop", ("", "reasoning_length", "hm")),
        ({"content": None}, "length", ("", "reasoning_length", None)),
        ({"content": "Yes"}, "MAX_TOKENS", ("Yes", "length", None)),
        ({"content": "Yes"}, "FinishReason.MAX_TOKENS", ("Yes", "length", None)),
        ({"content": "Yes"}, "model_length", ("Yes", "length", None)),
        ({"content": "Yes"}, "eos_token", ("Yes", "stop", None)),
        ({"content": "Yes"}, "end_turn", ("Yes", "stop", None)),
        ({"content": "Yes"}, None, ("Yes", "stop", None)),
        ({"content": None}, "SAFETY", ("", "refused", None)),
        ({"content": "part"}, "PROHIBITED_CONTENT", ("", "refused", None)),
        ({"content": "Yes", "reasoning_content": "hm"}, "stop", ("Yes", "stop", "hm")),
        ({"content": "Yes", "reasoning": "hm"}, "stop", ("Yes", "stop", "hm")),
        ({"content": None, "reasoning_content": "hm"}, "length", ("", "reasoning_length", "hm")),
        ({"content": "", "reasoning_content": "hm"}, "length", ("", "reasoning_length", "hm")),
        ({"content": None, "reasoning_content": "hm"}, "stop", ("", "stop", "hm")),
        ({"content": "part", "reasoning_content": "hm"}, "length", ("part", "length", "hm")),
        ({"content": [{"type": "text", "text": "Y"}, {"type": "text", "text": "es"}]}, "stop", ("Yes", "stop", None)),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Yes"}]},
            "stop",
            ("Yes", "stop", "hm"),
        ),
        ({"content": None, "refusal": "no"}, "stop", ("", "refused", None)),
        ({"content": "part"}, "content_filter", ("", "refused", None)),
    ],
)
def test_answers(message: dict[str, Any], finish: str | None, expected: tuple[str, str, str | None]) -> None:
    text, ended, reasoning = read(message, finish)
    assert (text, ended) == expected[:2]
    assert (reasoning or "").split() == (expected[2] or "").split()


def test_thinking_that_was_opened_in_the_prompt() -> None:
    """Without any tag nothing but the request tells that a text which ran out of tokens is thinking."""
    assert read({"content": "hm hm"}, "length", True) == ("", "reasoning_length", "hm hm")
    assert read({"content": "hm hm"}, "length", None) == ("hm hm", "length", None)
    assert read({"content": "Yes"}, "stop", True) == ("Yes", "stop", None)


def test_hidden_thinking_shows_by_its_count() -> None:
    details = {"reasoning_tokens": 16}
    for content in ("", None):
        assert read({"content": content}, "length", completion_tokens_details=details)[:2] == ("", "reasoning_length")
    assert read({"content": "Ye"}, "length", completion_tokens_details=details)[:2] == ("Ye", "length")


@pytest.mark.parametrize(
    "data",
    [None, [], "CANARY", 3, {}, {"choices": []}, {"choices": None}, {"choices": ["CANARY"]}, reply({}), reply({"content": 3}),
     reply({"content": None}, "tool_calls"), reply({"content": "CANARY"}, "abort"), {"error": "CANARY"},
     reply({"content": "CANARY"}, "insufficient_system_resource"), reply({"content": "CANARY"}, "ERROR")],
)  # fmt: skip
def test_replies_without_an_answer(data: Any) -> None:
    with pytest.raises(Malformed) as caught:
        read_answer(data, None)
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize(
    "usage",
    [None, [], {"prompt_tokens": "3"}, {"prompt_tokens": -1}, {"prompt_tokens_details": 3}, {"prompt_tokens": 10**400}],
)
def test_odd_usage_is_unknown(usage: Any) -> None:
    answer = read_answer({"choices": [{"message": {"content": "a"}}], "usage": usage}, None)
    assert set(answer.usage) == {None}


def ask(server: Server, max_reasoning_tokens: int = 100, **args: str) -> Response:
    model = load_model("openai:stub", {"base_url": server.url, **args}, None)
    messages = (Message("system", "Be brief."), Message("user", "one two three"))
    (response,) = model.generate([ModelRequest("a", messages, 16, max_reasoning_tokens=max_reasoning_tokens)])
    return response


def test_usage_and_cost(tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text(json.dumps({"stub": {"input": 2.0, "cached_input": 0.5, "output": 8.0}}))
    with Server(
        answer=lambda body: {"content": "four words of answer", "reasoning_content": "hm", "reasoning_tokens": 3}
    ) as server:
        response = ask(server, prices=str(prices))
    assert (response.prompt_tokens, response.cached_tokens) == (23, 3)  # the stub's tokens are bytes
    assert (response.answer_tokens, response.reasoning_tokens) == (1, 3)  # four completion tokens, three of them thinking
    assert response.cost == pytest.approx((20 * 2.0 + 3 * 0.5 + 4 * 8.0) / 1e6)
    assert response.seconds > 0
    with Server() as server:
        assert ask(server).cost is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "no prices of 'stub'"),
        ("{", "no prices of 'stub'"),
        ('{"stub": {"input": 1}}', "lacks a number"),
        ('{"stub": {"input": -1, "output": 1}}', "negative"),
    ],
)
def test_bad_prices(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "p.json").write_text(content)
    with pytest.raises(UsageError, match=message):
        load_model("openai:stub", {"prices": str(tmp_path / "p.json")}, None)
    with pytest.raises(MissingError, match="there is no such file"):
        load_model("openai:stub", {"prices": str(tmp_path / "q.json")}, None)


def test_local_tokenizer_counts_thinking_that_the_server_does_not() -> None:
    with Server(answer=lambda body: "<think>one two</think>three") as server:
        response = ask(server, tokenizer="words")
    assert (response.text, response.reasoning, response.reasoning_tokens) == ("three", "one two", 2)


def test_thinking_without_an_allowance_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with Server(answer=lambda body: {"content": "<think>CANARY", "finish_reason": "length"}) as server:
        model = load_model("openai:stub", {"base_url": server.url}, None)
        responses = list(model.generate(ModelRequest(i, (Message("user", i),), 16) for i in "abc"))
        assert {r.finish for r in responses} == {"reasoning_length"}
        assert [r.levelname for r in caplog.records] == ["WARNING"]
        assert "thinking=on" in caplog.text
        assert "CANARY" not in caplog.text
        caplog.clear()
        assert ask(server, thinking="on").finish == "reasoning_length"
        assert not caplog.records


# --- log-probabilities

CHOICES = (("yes", " yes", "Yes"), ("no", " no", "No"))


def choose(server: Server, choices: tuple[tuple[str, ...], ...] = CHOICES, **args: str) -> ChoiceResponse:
    model = load_model("openai:stub", {"base_url": server.url, "max_retries": "0", **args}, None)
    (response,) = model.choice_probabilities([ChoiceRequest("a", (Message("user", "Will they?"),), choices)])
    return response


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_choice_probabilities(api: str) -> None:
    logprobs = {"yes": math.log(0.3), "Yes": math.log(0.1), "no": math.log(0.2), "maybe": math.log(0.4)}
    with Server(logprobs=logprobs) as server:
        response = choose(server, api=api)
    assert response.probabilities == pytest.approx((0.4 / 0.6, 0.2 / 0.6))
    assert response.mass == pytest.approx(0.6)
    assert (response.finish, response.prompt_tokens, response.cached_tokens) == ("stop", 10, 3)
    (body,) = server.bodies
    assert (body["max_tokens"], body["temperature"]) == (1, 0)
    assert body["logprobs"] == (True if api == "chat" else 20)
    assert "echo" not in body


def test_a_choice_that_is_not_listed_has_at_most_what_the_last_listed_token_has() -> None:
    with Server(logprobs={"yes": math.log(0.8), "maybe": math.log(0.05)}) as server:
        response = choose(server, top_logprobs="2")
    assert response.probabilities == pytest.approx((0.8 / 0.85, 0.05 / 0.85))
    assert response.doubts == ("choice_not_listed",)
    with Server(logprobs={"yes": math.log(0.99)}) as server:  # and at most what is left over
        assert choose(server, top_logprobs="1").probabilities == pytest.approx((0.99, 0.01))
    with Server(logprobs={"maybe": -0.01}) as server:
        response = choose(server)
    assert (response.finish, response.probabilities, response.mass) == ("error", (), 0.0)
    assert "top_logprobs=N" in (response.error or "")


MANY = {"yes": math.log(0.5), **{f"t{i}": math.log(0.2 / 50) for i in range(50)}, "no": math.log(0.001)}


def test_more_tokens_are_asked_for_where_a_choice_is_not_among_them() -> None:
    with Server(logprobs=MANY) as server:
        response = choose(server)
        assert [body["top_logprobs"] for body in server.bodies] == [20, 1000]
    assert response.probabilities == pytest.approx((0.5 / 0.501, 0.001 / 0.501))
    assert response.doubts == ()
    with Server(logprobs={**MANY, "no": -0.5}) as server:
        choose(server)
        assert [body["top_logprobs"] for body in server.bodies] == [20]
    with Server(logprobs=MANY) as server:
        assert choose(server, top_logprobs="20").doubts == ("choice_not_listed",), "what the user chose is kept to"
        assert len(server.bodies) == 1


def test_a_server_that_lists_no_more_is_asked_for_more_once() -> None:
    refused = Raw.of({"error": {"message": "Requested sample logprobs of 1000, which is greater than max allowed: 20"}}, 400)
    with Server(script=["ok", refused], logprobs=MANY) as server:
        model = load_model("openai:stub", {"base_url": server.url, "concurrency": "1"}, None)
        asked = [ChoiceRequest(i, (Message("user", i),), CHOICES) for i in "abc"]
        responses = list(model.choice_probabilities(asked))
        assert [body["top_logprobs"] for body in server.bodies] == [20, 1000, 20, 20]
    assert {response.doubts for response in responses} == {("choice_not_listed",)}


@pytest.mark.parametrize("value", ["-0.5", 1e308, 10**400, [-0.5], None, True, float("nan"), 0.5])
def test_damaged_log_probabilities_cost_their_item(value: Any) -> None:
    top = [{"token": "yes", "logprob": value}, {"token": "no", "logprob": -2.0}]
    with pytest.raises(Malformed, match="BadLogProbs"):
        read_first_token({"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]})


def test_log_probabilities_of_what_cannot_come() -> None:
    for value in (-9999.0, float("-inf"), -(10**400)):
        found = read_first_token({"choices": [{"logprobs": {"top_logprobs": [{"yes": 0.004, "no": value}]}}]})
        assert found is not None
        assert (found["yes"], math.exp(found["no"])) == (0.0, 0.0)
    too_much = {"choices": [{"logprobs": {"top_logprobs": [{"yes": -0.1, "no": -0.1}]}}]}
    with pytest.raises(Malformed, match="BadLogProbs"):
        read_first_token(too_much)


def test_costs_of_probabilities_are_kept(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps({"stub": {"input": 2.0, "output": 8.0}}))
    with Server(logprobs={"yes": -0.1, "no": -3.0}) as server:
        response = choose(server, prices=str(tmp_path / "p.json"))
    assert response.cost == pytest.approx((10 * 2.0 + 1 * 8.0) / 1e6)


def test_masses_by_beginnings_only_where_no_spelling_is_a_token() -> None:
    logprobs = {"Pne": math.log(0.5), "P": math.log(0.1), "Pan": math.log(0.2), "Sepsis": math.log(0.05), "Se": math.log(0.05)}
    masses = choice_masses(logprobs, (("Pneumonia",), ("Pancreatitis",), ("Sepsis",)))
    assert masses == (pytest.approx([0.5, 0.2, 0.05]), 0)
    assert choice_masses({" ": -9.0, "": -9.0}, (("a",), (" b",))).unlisted == 2


def test_no_log_probabilities_is_an_error_of_the_run() -> None:
    with Server() as server, pytest.raises(UsageError, match="gives no log-probabilities"):
        choose(server)
    body = reply({"content": "x"})
    assert read_first_token(body) is None
    assert read_first_token({"choices": [{"logprobs": {"content": []}}]}) is None
    with Server() as server, pytest.raises(UsageError, match="thinking=on"):
        choose(server, thinking="on")


def test_failures_of_choice_calls_are_named() -> None:
    with Server(script=["ok", "500", "overflow"], logprobs={"yes": -0.1, "no": -3.0}) as server:
        args = {"base_url": server.url, "max_retries": "0", "concurrency": "1"}
        model = load_model("openai:stub", args, None)
        requests = [ChoiceRequest(i, (Message("user", i),), CHOICES) for i in "abc"]
        responses = list(model.choice_probabilities(requests))
    assert [(r.finish, r.error) for r in responses] == [("stop", None), ("error", "HTTP 500"), ("overflow", "HTTP 400")]
