"""Scores of vLLM that are not numbers, from a made-up engine: each is its item's error, and the others keep their answers."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from ehrbench.models import ChoiceRequest, Message, ModelIdentity, Request
from ehrbench.models.arguments import Arguments
from ehrbench.models.capabilities import LikelihoodRequest
from ehrbench.models.finite import NOT_A_NUMBER
from ehrbench.models.local import load_named_tokenizer, read_chat
from ehrbench.models.vllm.arguments import OWN_ARGUMENTS
from ehrbench.models.vllm.calls import Done, Job
from ehrbench.models.vllm.model import VllmModel

TOKENIZER = Path(__file__).parent.parent / "tiny" / "tokenizers" / "llama3"


class Engine:
    """Answers each prompt with given tokens; the log-probabilities of damaged prompts are NaN."""

    width = 4
    scores_in_pieces = False

    def __init__(self, damaged: list[int], answer: list[int], ended: bool) -> None:
        self._damaged, self._answer, self._ended = damaged, answer, ended

    async def complete(self, job: Job) -> Done:
        value = math.nan if set(self._damaged) & set(job.ids) else -0.7
        probabilities = dict.fromkeys(job.wanted, value)
        scores = [(value, False)] * job.scored
        if job.wanted or job.scored:
            return Done([0], False, None, 0.0, probabilities, scores)
        return Done(list(self._answer), self._ended, None, 0.0, {})

    def close(self) -> None:
        pass


@pytest.fixture
def model() -> VllmModel:
    tokenizer = load_named_tokenizer("tiny", TOKENIZER)
    chat = read_chat(tokenizer, Arguments("vllm", {}, OWN_ARGUMENTS))
    return VllmModel(TOKENIZER, tokenizer, chat, ModelIdentity("tiny", "vllm"), 512, {})


def text(message: str) -> tuple[Message, ...]:
    return (Message("user", message),)


@pytest.mark.parametrize(
    ("answer", "ended"),
    [([0] * 8, False), ([5, 6, 7, 0, 0, 0, 0], False), ([0], False), ([], True)],
    ids=["one token again and again", "numbers at first", "one token", "an end token at once"],
)
def test_an_answer_from_no_numbers_is_its_items_error(model: Any, answer: list[int], ended: bool) -> None:
    damaged = model.tokenizer.ids(" zzz")[-1:]
    model._engine, model._end_tokens = Engine(damaged, answer, ended), [1]
    asked = [Request("good", text("Is the sodium low?"), 8), Request("bad", text("Was it zzz"), 8)]
    found = {response.id: response for response in model.generate(asked)}
    assert (found["bad"].finish, found["bad"].error, found["bad"].text) == ("error", NOT_A_NUMBER, "")
    assert found["good"].error is None


def test_probabilities_and_likelihoods_that_are_no_numbers(model: Any) -> None:
    damaged = model.tokenizer.ids(" zzz")[-1:]
    model._engine = Engine(damaged, [0], False)
    choices = (("yes",), ("no",))
    asked = [ChoiceRequest("good", text("Is the sodium low?"), choices), ChoiceRequest("bad", text("Was it zzz"), choices)]
    chosen = {response.id: response for response in model.choice_probabilities(asked)}
    assert chosen["good"].probabilities == pytest.approx((0.5, 0.5))
    assert (chosen["bad"].finish, chosen["bad"].error, chosen["bad"].probabilities) == ("error", NOT_A_NUMBER, ())
    texts = [LikelihoodRequest("good", (("Sodium?", " low"),)), LikelihoodRequest("bad", (("Was it zzz", " low"),))]
    scored = {response.id: response for response in model.log_likelihoods(texts)}
    assert [math.isfinite(one.value) for one in scored["good"].likelihoods] == [True]
    assert (scored["bad"].finish, scored["bad"].error, scored["bad"].likelihoods) == ("error", NOT_A_NUMBER, ())
