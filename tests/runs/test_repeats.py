"""Several answers a question: one item, one stored answer, each call with a seed of its own."""

from __future__ import annotations

import json

import pytest

from ehrbench.errors import UsageError
from ehrbench.models.protocol import Finish, Message, Request, Response
from ehrbench.runs.repeats import WithRepeats
from tests.support.scripted import ScriptedModel


def request(name: str, temperature: float, seed: int | None = 7) -> Request:
    return Request(name, (Message("user", name),), 16, temperature=temperature, seed=seed, item=name)


def test_each_answer_has_a_seed_of_its_own() -> None:
    model = ScriptedModel(
        lambda asked: Response(asked.id, f"{asked.seed}", prompt_tokens=5, answer_tokens=2, seconds=1.0), streaming=False
    )
    found = {one.id: one for one in WithRepeats(model, 3).generate([request("a", 0.7), request("b", 0.7, None)])}
    assert json.loads(found["a"].text) == ["7", "8", "9"]
    assert json.loads(found["b"].text) == ["None"] * 3
    assert (found["a"].prompt_tokens, found["a"].answer_tokens, found["a"].seconds) == (15, 6, 3.0)
    assert found["a"].reasoning_tokens is None and found["a"].cost is None


def test_greedy_is_asked_for_once() -> None:
    model = ScriptedModel(lambda asked: Response(asked.id, "yes\u2028", prompt_tokens=5), streaming=False)
    (found,) = WithRepeats(model, 3).generate([request("a", 0.0)])
    assert json.loads(found.text) == ["yes\u2028"] * 3
    assert (len(model.asked), found.prompt_tokens) == (1, 5)


@pytest.mark.parametrize("finish", ["overflow", "refused", "error"])
def test_a_call_without_an_answer_is_the_items(finish: Finish) -> None:
    def answer(asked: Request) -> Response:
        return Response(asked.id, "" if asked.seed == 8 else "yes", finish=finish if asked.seed == 8 else "stop")

    (found,) = WithRepeats(ScriptedModel(answer, streaming=False), 3).generate([request("a", 1.0)])
    assert (found.finish, found.text) == (finish, "")


def test_endless_thinking_is_an_empty_answer_among_the_others() -> None:
    def answer(asked: Request) -> Response:
        return Response(asked.id, "" if asked.seed == 8 else "yes", finish="reasoning_length" if asked.seed == 8 else "length")

    (found,) = WithRepeats(ScriptedModel(answer, streaming=False), 3).generate([request("a", 1.0)])
    assert (found.finish, json.loads(found.text)) == ("stop", ["yes", "", "yes"])


def test_batch_files_are_refused() -> None:
    model = ScriptedModel()
    model.by_file = True  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="cannot be asked through batch files"):
        WithRepeats(model, 2)
