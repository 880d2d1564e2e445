"""A server that reads only part of a prompt, and says so nowhere but in its count."""

from __future__ import annotations

from pathlib import Path

import pytest

from ehrbench.models.loading import load_model
from ehrbench.models.protocol import ChoiceRequest, Message, Request, Response
from ehrbench.models.server.prompt_cut import is_cut
from ehrbench.models.server.reply import Usage
from tests.support.server import Server

TOKENIZER = str(Path(__file__).parent.parent / "tiny" / "tokenizers" / "llama3")
RECORD = "".join(f"2150-03-{day:02d} sodium 128 mmol/L, denies chest pain\n" for day in range(1, 29)) * 10


def answers(server: Server, **args: str) -> list[Response]:
    model = load_model("openai:stub", {"base_url": server.url, **args}, None)
    try:
        return list(model.generate(Request(str(i), (Message("user", text),), 16) for i, text in enumerate((RECORD, "Hello."))))
    finally:
        model.close()


def test_an_answer_to_part_of_a_prompt_is_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    with Server(window=1_000) as server:
        long, short = sorted(answers(server), key=lambda response: response.id)
    assert (long.finish, long.text, long.prompt_tokens, long.error) == ("overflow", "", 1_000, None)
    assert (short.finish, short.prompt_tokens) == ("stop", 6)
    assert caplog.text.count("cuts prompts in silence") == 1
    assert "sodium" not in caplog.text


def test_a_server_that_reads_all_is_believed() -> None:
    with Server() as server:
        assert {response.finish for response in answers(server)} == {"stop"}


def test_the_model_s_own_tokenizer_notices_a_tenth() -> None:
    model = load_model("openai:stub", {"base_url": "http://127.0.0.1:9/v1", "tokenizer": TOKENIZER}, None)
    assert model.tokenizer is not None
    n = model.tokenizer.count(RECORD)
    for window, finish in ((n, "stop"), (n * 85 // 100, "overflow")):
        with Server(window=window) as server:
            assert answers(server, tokenizer=TOKENIZER)[0].finish == finish


def test_probabilities_of_part_of_a_prompt_are_none() -> None:
    with Server(window=100, logprobs={"yes": -0.1, "no": -2.0}) as server:
        model = load_model("openai:stub", {"base_url": server.url}, None)
        asked = ChoiceRequest("a", (Message("user", RECORD),), (("yes",), ("no",)))
        (response,) = model.choice_probabilities([asked])
    assert (response.finish, response.probabilities) == ("overflow", ())


@pytest.mark.parametrize(
    ("usage", "cut"),
    [
        (Usage(), False),
        (Usage(0), False),
        (Usage(99), True),
        (Usage(100), False),
        (Usage(20, cached_tokens=80), False),
        (Usage(20, cached_tokens=79), True),
    ],
)
def test_a_server_that_says_nothing_is_not_accused(usage: Usage, cut: bool) -> None:
    assert is_cut(usage, 100) is cut
