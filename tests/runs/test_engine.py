from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest

from ehrbench.context.chain import Step as Prompted
from ehrbench.models.protocol import Message, Request, Response
from ehrbench.readers.item import Item
from ehrbench.runs.chains import ItemChain
from ehrbench.runs.engine import Sink, drive
from ehrbench.runs.prediction import Prediction, Step
from ehrbench.tasks.schema import GenerationSpec
from tests.support.scripted import ScriptedModel, digest_answer


def chain(name: str, length: int) -> ItemChain:
    return ItemChain(
        item=Item(id=name, question=f"question of {name}"),
        fitted=None,
        step=lambda step, previous: Prompted((Message("user", f"{name} part {step} after {previous}"),), previous_cut=step == 3),
        prompt_tokens=lambda step, tokenizer: 1,
        length=length,
        generation=GenerationSpec(),
        seed=0,
        model_key="m",
        clean=lambda text, item: text.strip() or None,
    )


class Collected:
    def __init__(self, stored: dict[str, Step] | None = None) -> None:
        self.predictions: list[Prediction] = []
        self.calls: list[Step] = []
        self.sink = Sink(self.predictions.append, lambda chain, step: self.calls.append(step), stored or {})


def by_item(predictions: list[Prediction]) -> dict[str, list[str]]:
    return {p.item: [step.text for step in p.steps] for p in sorted(predictions, key=lambda p: p.item)}


@pytest.mark.parametrize("concurrency", [1, 3, 16])
def test_streaming_and_rounds_give_the_same_chains(concurrency: int) -> None:
    lengths = {f"item{i}": 1 + i % 5 for i in range(23)}
    streamed, rounds = Collected(), Collected()
    streaming, batching = ScriptedModel(concurrency=concurrency), ScriptedModel(streaming=False)
    drive(iter([chain(n, k) for n, k in lengths.items()]), streaming, streamed.sink)
    drive(iter([chain(n, k) for n, k in lengths.items()]), batching, rounds.sink)
    assert by_item(streamed.predictions) == by_item(rounds.predictions)
    assert {p.item: len(p.steps) for p in streamed.predictions} == lengths, "calls = parts"
    assert len(streaming.asked) == sum(lengths.values())
    assert batching.batches == [sum(k > r for k in lengths.values()) for r in range(5)], "one round of all chains is one batch"
    cut = {p.item: p.notes.get("previous_answer_cut_in_steps") for p in streamed.predictions}
    assert cut == {name: [4] if k > 3 else None for name, k in lengths.items()}, "an answer that had to be cut is recorded"
    assert len(streamed.calls) == sum(k - 1 for k in lengths.values()), "every step but the last is kept as a call"


def test_chains_run_side_by_side() -> None:
    open_at_once, lock, most = 0, threading.Lock(), 0
    gate = threading.Barrier(4, timeout=10)

    def answer(request: Request) -> Response:
        nonlocal open_at_once, most
        with lock:
            open_at_once += 1
            most = max(most, open_at_once)
        gate.wait()
        with lock:
            open_at_once -= 1
        return digest_answer(request)

    collected = Collected()
    drive(iter([chain(f"i{k}", 3) for k in range(4)]), ScriptedModel(answer, concurrency=4), collected.sink)
    assert most == 4
    assert len(collected.predictions) == 4


@pytest.mark.parametrize("streaming", [True, False])
def test_stored_calls_are_not_asked_again(streaming: bool) -> None:
    first = Collected()
    drive(iter([chain("a", 4), chain("b", 2)]), ScriptedModel(streaming=streaming), first.sink)
    stored = {s.key: s for p in first.predictions for s in p.steps[:2]}
    model, second = ScriptedModel(streaming=streaming), Collected(stored)
    drive(iter([chain("a", 4), chain("b", 2)]), model, second.sink)
    assert len(model.asked) == 2, "only the last two steps of a"
    assert by_item(second.predictions) == by_item(first.predictions)


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize(
    ("finish", "outcome"),
    [("overflow", "overflow"), ("refused", "refused"), ("error", "api_error"), ("reasoning_length", "reasoning_truncated")],
)
def test_a_chain_that_cannot_go_on_ends_in_its_outcome(streaming: bool, finish: str, outcome: str) -> None:
    def answer(request: Request) -> Response:
        if request.messages[0].content.startswith("bad part 1"):
            return Response(id=request.id, finish=finish, error="HTTP 400")  # type: ignore[arg-type]
        return digest_answer(request)

    collected = Collected()
    drive(iter([chain("bad", 3), chain("good", 3)]), ScriptedModel(answer, streaming=streaming), collected.sink)
    ends = {p.item: (p.outcome, len(p.steps), p.answer is None) for p in collected.predictions}
    assert ends == {"bad": (outcome, 2, True), "good": ("answered", 3, False)}


def test_an_answer_that_cannot_be_parsed_is_its_own_outcome() -> None:
    collected = Collected()
    drive(iter([chain("a", 1)]), ScriptedModel(lambda r: Response(id=r.id, text="  ")), collected.sink)
    assert [(p.outcome, p.answer) for p in collected.predictions] == [("unparsed", None)]


@pytest.mark.parametrize("streaming", [True, False])
def test_predictions_made_without_a_call_pass_through(streaming: bool) -> None:
    ready = Prediction(item="too long", outcome="overflow", answer=None)
    collected = Collected()
    drive(iter([ready, chain("a", 1)]), ScriptedModel(streaming=streaming), collected.sink)
    assert {p.item for p in collected.predictions} == {"too long", "a"}


@pytest.mark.parametrize("streaming", [True, False])
def test_a_failing_plan_is_raised_and_not_swallowed(streaming: bool) -> None:
    def plan() -> Iterator[ItemChain]:
        yield chain("a", 2)
        raise RuntimeError("broken plan")

    with pytest.raises(RuntimeError, match="broken plan"):
        drive(plan(), ScriptedModel(streaming=streaming), Collected().sink)


def test_a_failing_sink_ends_the_run() -> None:
    def full(prediction: Prediction) -> None:
        raise OSError(28, "full")

    sink = Sink(full, lambda chain, step: None, {})
    with pytest.raises(OSError):
        drive(iter([chain("a", 1), chain("b", 1)]), ScriptedModel(), sink)


def test_a_prediction_survives_its_file(make: Callable[[], Prediction] | None = None) -> None:
    steps = (Step("k1", "one", "stop", prompt_tokens=10, seconds=0.5), Step("k2", "two", "length"), Step("k3", "two", "stop"))
    prediction = Prediction(
        "i",
        "answered",
        "two",
        steps,
        record_tokens=9,
        record_tokens_seen=4,
        first_date=datetime(2020, 1, 2).date().isoformat(),
    )
    assert Prediction.parse(prediction.row()) == prediction
    assert (prediction.revisions, prediction.last_revision) == (1, 2)
