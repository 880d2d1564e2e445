"""vLLM on the processor with a tiny Llama: the same answers and probabilities as transformers, and none lost when killed."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from ehrbench.errors import MissingError, UsageError
from ehrbench.models import ChoiceRequest, Message, Request
from ehrbench.models.hf.model import load as load_hf
from ehrbench.models.vllm.model import VllmModel
from ehrbench.models.vllm.model import load as load_vllm
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.vllm

ENGINE = {
    "enforce_eager": "on",
    "dtype": "float32",
    "block_size": "32",
    "kv_cache_memory_bytes": str(64 << 20),
    "max_num_seqs": "8",
    "max_logprobs": "-1",  # as where the engine names no tokens
}
WINDOW = 1024
CHART = "Sodium 140 mmol/L on 2015-03-02. The patient denies shortness of breath. " * 6
QUESTIONS = [
    "What is the sodium?",
    "Was she admitted?",
    "Hi",
    "List the drugs.\n\nNaïve café 日本",
    CHART + "Summarise.",
]
CHOICES = (
    (("yes", "Yes", " yes"), ("no", "No", " no")),
    (("A",), ("B",), ("C",), ("D",)),
    (("stage 1",), ("stage 2",), ("stage",)),  # share their first tokens: whole spellings count
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("checkpoint") / "tiny", context=2048, eos_scale=1.5)


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Iterator[VllmModel]:
    loaded = load_vllm(str(checkpoint), ENGINE, WINDOW)
    assert isinstance(loaded, VllmModel)
    yield loaded
    loaded.close()


def requests(max_tokens: int = 16, **options: Any) -> list[Request]:
    return [Request(f"item {i}", (Message("user", text),), max_tokens, **options) for i, text in enumerate(QUESTIONS)]


def answers(model: Any, asked: list[Request]) -> dict[str, tuple[Any, ...]]:
    found = {r.id: (r.text, r.finish, r.answer_tokens, r.prompt_tokens) for r in model.generate(asked)}
    assert set(found) == {request.id for request in asked}
    return found


@pytest.fixture(scope="module")
def transformers_model(checkpoint: Path) -> Any:
    return load_hf(str(checkpoint), {"dtype": "float32"}, WINDOW)


def test_greedy_answers_equal_those_of_transformers(model: VllmModel, transformers_model: Any) -> None:
    ours, theirs = answers(model, requests()), answers(transformers_model, requests())
    assert ours == theirs
    assert len({text for text, *_ in ours.values()}) > 1
    stop = (ours["item 0"][0][3:6],)
    assert answers(model, requests(stop=stop)) == answers(transformers_model, requests(stop=stop))


def test_probabilities_equal_those_of_transformers(model: VllmModel, transformers_model: Any) -> None:
    asked = [
        ChoiceRequest(f"{i} {j}", (Message("user", text),), choices)
        for i, text in enumerate(QUESTIONS)
        for j, choices in enumerate(CHOICES)
    ]
    ours = {r.id: r for r in model.choice_probabilities(asked)}
    theirs = {r.id: r for r in transformers_model.choice_probabilities(asked)}
    assert set(ours) == set(theirs) == {request.id for request in asked}
    for id_, response in ours.items():
        assert response.finish == "stop"
        assert response.probabilities == pytest.approx(theirs[id_].probabilities, abs=1e-3)
        assert response.mass == pytest.approx(theirs[id_].mass, rel=1e-3)


def test_probabilities_where_the_engine_names_no_tokens(
    checkpoint: Path, model: VllmModel, transformers_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = [ChoiceRequest("a", (Message("user", QUESTIONS[0]),), CHOICES[0])]
    assert {r.finish for r in model.choice_probabilities(asked)} == {"stop"}  # the engine has started
    monkeypatch.setattr(model._engine._calls, "names_tokens", False)  # type: ignore[attr-defined]
    (ours,), (theirs,) = model.choice_probabilities(asked), transformers_model.choice_probabilities(asked)
    assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-3)


def test_a_second_question_on_a_record_reports_cached_tokens(model: VllmModel) -> None:
    first, second = (Message("user", CHART * 2 + question) for question in ("When was the last visit?", "Which drugs?"))
    (one,) = model.generate([Request("1", (first,), 4)])
    (two,) = model.generate([Request("2", (second,), 4)])
    assert one.prompt_tokens is not None and two.cached_tokens is not None
    assert two.cached_tokens % 32 == 0
    assert one.prompt_tokens * 0.7 < two.cached_tokens < one.prompt_tokens


def test_sampling_depends_on_the_seed_alone(model: VllmModel) -> None:
    first = answers(model, requests(temperature=1.0, seed=1))
    assert answers(model, list(reversed(requests(temperature=1.0, seed=1)))) == first
    assert answers(model, requests(temperature=1.0, seed=2)) != first


def test_one_bad_item_does_not_cost_the_others(model: VllmModel) -> None:
    asked = [
        Request("long", (Message("user", CHART * 20),), 8),
        Request("nothing to say", (Message("user", "Hi"),), 0),
        Request("fits", (Message("user", "Hi"),), 4),
    ]
    finishes = {r.id: r.finish for r in model.generate(asked)}
    assert finishes == {"long": "overflow", "nothing to say": "length", "fits": "length"}


def test_follow_up_requests_are_fed_while_others_run(model: VllmModel) -> None:
    """The first chain's second step is asked for while the second chain's only call still runs."""
    seen: list[str] = []
    arrived = threading.Event()

    def live() -> Iterator[Request]:
        yield Request("slow", (Message("user", "Hi"),), 300)
        yield Request("quick#0", (Message("user", "Hi"),), 2)
        assert arrived.wait(60)
        yield Request("quick#1", (Message("user", "Hi again"),), 2)

    for response in model.generate(live()):
        seen.append(response.id)
        if response.id == "quick#0":
            arrived.set()
    assert seen == ["quick#0", "quick#1", "slow"]


def test_leaving_early_leaves_the_engine_usable(model: VllmModel) -> None:
    stream = model.generate(requests(max_tokens=200))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert len(answers(model, requests(max_tokens=2))) == len(QUESTIONS)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"tensor_paralel_size": "2"}, "unknown argument of vllm 'tensor_paralel_size' .did you mean 'tensor_parallel_size'"),
        ({"tensor_parallel_size": "two"}, "tensor_parallel_size=two: expected a whole number"),
        ({"enforce_eager": "perhaps"}, "enforce_eager=perhaps: expected on or off"),
        ({"max_model_len": "10"}, "set by --max-model-len"),
        ({"guided": "json"}, "guided=json: expected one of choices, off"),
        ({"dtype": "float7"}, "dtype=float7: expected one of auto"),
    ],
)
def test_arguments_are_checked_before_anything_is_loaded(checkpoint: Path, args: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_vllm(str(checkpoint), args, None)


def test_an_adapter_that_is_not_one(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no adapter_config.json"):
        load_vllm(str(checkpoint), {"lora": str(tmp_path)}, None)


def test_too_little_memory_is_one_sentence_with_the_next_step(checkpoint: Path) -> None:
    small = load_vllm(str(checkpoint), {**ENGINE, "kv_cache_memory_bytes": str(256 << 10)}, WINDOW)
    with pytest.raises(UsageError) as caught:
        list(small.generate(requests()))
    found = re.search(r"holds a window of (\d+) tokens.*give --max-model-len \1 or less", str(caught.value))
    assert found and 0 < int(found[1]) < WINDOW
