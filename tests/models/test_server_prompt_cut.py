"""A server that reads only part of a prompt, and says so nowhere but in its count."""

from __future__ import annotations

from pathlib import Path

import pytest

from ehrbench.models.loading import load_model
from ehrbench.models.protocol import ChoiceRequest, Message, Request, Response
from ehrbench.models.server.prompt_cut import CountReader
from ehrbench.models.server.reply import TokenCounts
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
            assert {response.id: response.finish for response in answers(server, tokenizer=TOKENIZER)}["0"] == finish


def test_probabilities_of_part_of_a_prompt_are_none() -> None:
    with Server(window=300, logprobs={"yes": -0.2, "no": -2.0}) as server:
        model = load_model("openai:stub", {"base_url": server.url}, None)
        asked = ChoiceRequest("a", (Message("user", RECORD),), (("yes",), ("no",)))
        (response,) = model.choice_probabilities([asked])
    assert (response.finish, response.probabilities) == ("overflow", ())


@pytest.mark.parametrize(
    ("usage", "reading"),
    [
        (TokenCounts(), "whole"),
        (TokenCounts(0), "whole"),
        (TokenCounts(999), "unclear"),
        (TokenCounts(1000), "whole"),
        (TokenCounts(200, cached_tokens=800), "whole"),
        (TokenCounts(200, cached_tokens=799), "unclear"),
        (TokenCounts(26), "uncached"),  # no window is so small
    ],
)
def test_a_server_that_says_nothing_is_not_accused(usage: TokenCounts, reading: str) -> None:
    assert CountReader().read(usage, 1000) == reading


def test_what_a_small_count_means_follows_from_what_else_was_counted() -> None:
    counts = CountReader()
    assert counts.read(TokenCounts(1100), 1000) == "whole"
    assert counts.read(TokenCounts(600), 1000) == "uncached", "its window is 1,100 at least"
    assert counts.read(TokenCounts(600), 5000) == "uncached", "and it would have filled it"
    assert counts.read(TokenCounts(1100), 5000) == "unclear"
    counts.learn(TokenCounts(1100), TokenCounts(1100))
    assert counts.read(TokenCounts(1100), 5000) == "cut"
    counts.learn(TokenCounts(1100), TokenCounts(4))
    assert counts.read(TokenCounts(1100), 5000) == "uncached"


@pytest.mark.parametrize("args", [{}, {"tokenizer": TOKENIZER}, {"tokenizer": "words"}, {"concurrency": "1"}])
def test_answers_of_a_server_that_counts_what_it_had_not_cached_stand(
    args: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """The later questions about a record are counted as a few tokens: 900, then 26."""
    with Server(uncached=True) as server:
        model = load_model("openai:stub", {"base_url": server.url, **args}, None)
        asked = [Request(str(i), (Message("user", f"{RECORD}Question {i}?"),), 16) for i in range(6)]
        responses = sorted(model.generate(asked), key=lambda response: response.id)
    assert {response.finish for response in responses} == {"stop"}
    assert all(response.text for response in responses)
    assert sum("prompt_count" in response.doubts for response in responses) >= 5
    assert caplog.text.count("seems to leave out those that it had in its cache") == 1


def test_a_server_whose_cache_was_warm_from_the_first_call_on_is_asked_once_more() -> None:
    with Server(uncached=True) as server:
        answers(server)
        # Another process, which has seen no count: 300 tokens of 14,000 may be a window.
        text = RECORD + "x" * 300
        model = load_model("openai:stub", {"base_url": server.url}, None)
        (response,) = model.generate([Request("a", (Message("user", text),), 16)])
        assert server.bodies[-1]["max_tokens"] == 1
    assert (response.finish, response.doubts) == ("stop", ("prompt_count",))


def test_counts_are_not_checked_where_the_user_says_so() -> None:
    with Server(window=1_000) as server:
        assert {response.finish for response in answers(server, check_counts="off")} == {"stop"}


def test_words_are_not_the_model_s_own_tokens() -> None:
    """A prompt may have fewer tokens than words and marks; it is held to the bound of a model without a tokenizer."""
    with Server(window=len(RECORD) // 5) as server:
        assert {response.finish for response in answers(server, tokenizer="words")} == {"stop"}
