"""Log-likelihoods of texts from vLLM on the processor: those of transformers, also when a long text is scored in pieces."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from ehrbench.models.capabilities import LikelihoodRequest, LikelihoodResponse
from ehrbench.models.loading import load_model
from ehrbench.models.server.loop import background_loop
from ehrbench.models.vllm import likelihoods as vllm_likelihoods
from ehrbench.models.vllm.calls import Done, Job
from tests.engines.vllm_server import ENGINE, WINDOW

pytestmark = pytest.mark.vllm

CHART = "Sodium 140 mmol/L on 2015-03-02. The patient denies shortness of breath. " * 4
CHOICES = ("pneumonia", "pneumonia of the left lower lobe", "sepsis", " yes")
REQUESTS = [
    LikelihoodRequest("short", tuple(("Question: what is it?\nAnswer:", f" {choice}") for choice in CHOICES)),
    LikelihoodRequest("long", tuple((f"{CHART}\nAnswer:", f" {choice}") for choice in CHOICES)),
    LikelihoodRequest("again", ((f"{CHART}\nAnswer:", f" {CHOICES[1]}"), (CHART, f"\nAnswer: {CHOICES[1]}"))),
    LikelihoodRequest("context with a blank at its end", ((CHART + " ", "was well."),)),
    LikelihoodRequest("no context", (("", "The patient was well."),)),
    LikelihoodRequest("whole", ((CHART,),)),
    LikelihoodRequest("longer than the window", ((CHART * 6,),)),
    LikelihoodRequest("nothing", (("",),)),
    LikelihoodRequest("too long", ((CHART * 6, " yes"),)),
]


@pytest.fixture(scope="module")
def model(served_checkpoint: Path) -> Iterator[Any]:
    loaded = load_model(f"vllm:{served_checkpoint}", ENGINE, WINDOW)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def expected(served_checkpoint: Path) -> dict[str, LikelihoodResponse]:
    # vLLM's texts have two tokens less: whole texts are cut into windows at the same places only where the windows are equal.
    reference: Any = load_model(f"hf:{served_checkpoint}", {"dtype": "float32"}, WINDOW - 2)
    return {response.id: response for response in reference.log_likelihoods(REQUESTS)}


@pytest.fixture
def jobs(model: Any, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Job, Done]]:
    """Every call of the engine."""
    made: list[tuple[Job, Done]] = []
    complete: Callable[..., Any] = model._engine.complete

    async def watched(job: Job) -> Done:
        done: Done = await complete(job)
        made.append((job, done))
        return done

    monkeypatch.setattr(model._engine, "complete", watched)
    return made


def rows_made(job: Job, done: Done) -> int:
    """Rows of log-probabilities that vLLM made for a call."""
    return len(job.ids) - (done.cached or 0) if job.scored else 0


def check(found: Sequence[LikelihoodResponse], expected: dict[str, LikelihoodResponse]) -> None:
    assert {response.id for response in found} == set(expected)
    for response in found:
        wanted = expected[response.id]
        assert (response.finish, response.error) == (wanted.finish, None)
        if wanted.finish == "stop":
            assert response.prompt_tokens == wanted.prompt_tokens
        values, greedy = zip(*response.likelihoods, strict=True) if response.likelihoods else ((), ())
        assert values == pytest.approx([likelihood.value for likelihood in wanted.likelihoods], abs=1e-3), response.id
        assert greedy == tuple(likelihood.greedy for likelihood in wanted.likelihoods), response.id


@pytest.mark.parametrize("piece", [31, 64, 256, 10_000])
def test_likelihoods_equal_those_of_transformers(
    model: Any, expected: dict[str, LikelihoodResponse], jobs: list[Any], monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(vllm_likelihoods, "PIECE", piece)
    for _ in range(2):  # a second time, all that is asked stands in the cache
        check(list(model.log_likelihoods(REQUESTS)), expected)
    if piece < 10_000:
        block = int(ENGINE["block_size"])
        assert max(rows_made(job, done) for job, done in jobs) <= piece + 1 + block
        assert any(done.cached for job, done in jobs if job.scored), "what stands before a piece comes from the cache"


def test_choices_share_their_context(model: Any, jobs: list[tuple[Job, Done]]) -> None:
    (response,) = model.log_likelihoods([LikelihoodRequest("a", tuple((f"Of old. {CHART * 2}", f" {c}") for c in CHOICES))])
    assert len(response.likelihoods) == len(CHOICES)
    context = max(len(job.ids) for job, _ in jobs if not job.scored)
    computed = sum(len(job.ids) - (done.cached or 0) for job, done in jobs)
    assert context > 256
    assert computed < 2 * context, "four choices cost less than two contexts"


def test_a_greedy_continuation_is_known_as_one(model: Any) -> None:
    """The text that the model writes by itself."""
    ids = model._tokenizer.ids("The patient was")
    job = Job(ids, 5)
    written = asyncio.run_coroutine_threadsafe(model._engine.complete(job), background_loop()).result(60).ids
    whole = Job([*ids, *written], 1, scored=len(written))
    scores = asyncio.run_coroutine_threadsafe(model._engine.complete(whole), background_loop()).result(60).scores
    assert [greedy for _, greedy in scores] == [True] * len(written)


def test_an_engine_that_cannot_read_its_cache_in_such_calls(
    model: Any, expected: dict[str, LikelihoodResponse], jobs: list[tuple[Job, Done]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model._engine, "scores_in_pieces", False)
    check(list(model.log_likelihoods(REQUESTS)), expected)
    assert all(job.scored and not job.reads_cache for job, _ in jobs)


def test_the_longest_text(model: Any) -> None:
    tokens = model._tokenizer.ids(" well" * 4 * WINDOW)
    step = len(model._tokenizer.ids(" well" * 200)) // 200
    assert len(tokens) == step * 4 * WINDOW
    first = len(model._tokenizer.ids("Hi", add_special_tokens=True))
    most = (WINDOW - 1 - first) // step
    fits, longer = (LikelihoodRequest(str(n), (("Hi", " well" * n),)) for n in (most, most + step))
    assert [response.finish for response in model.log_likelihoods([fits])] == ["stop"]
    assert [response.finish for response in model.log_likelihoods([longer])] == ["overflow"]
