"""Two copies of a tiny model in two processes: the answers of one, each record computed once, and no hanging when a copy dies."""

from __future__ import annotations

import os
from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from ehrbench.errors import EhrbenchError
from ehrbench.models import ChoiceRequest, Message, Request
from ehrbench.models.capabilities import LikelihoodRequest
from ehrbench.models.loading import load_model
from tests.engines.vllm_server import ENGINE, WINDOW

pytestmark = pytest.mark.vllm

RECORDS = [f"Patient {n}: sodium {130 + n} mmol/L. " + "The patient denies shortness of breath. " * 8 for n in range(4)]
QUESTIONS = ["What is the sodium?", "Was she admitted?", "Summarise."]


@pytest.fixture(scope="module")
def model(served_checkpoint: Path) -> Iterator[Any]:
    loaded = load_model(f"vllm:{served_checkpoint}", {**ENGINE, "data_parallel_size": "2"}, WINDOW)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def reference(served_checkpoint: Path) -> Any:
    return load_model(f"hf:{served_checkpoint}", {"dtype": "float32"}, WINDOW)


def conversation(record: str, question: str) -> tuple[Message, ...]:
    return (Message("user", f"{record}\n\n{question}"),)


def test_two_copies_answer_as_one(model: Any, reference: Any) -> None:
    asked = [
        Request(f"{r} {q}", conversation(record, question), 16, prefix=str(r))
        for r, record in enumerate(RECORDS)
        for q, question in enumerate(QUESTIONS)
    ]
    found = {r.id: (r.text, r.finish) for r in model.generate(asked)}
    assert found == {r.id: (r.text, r.finish) for r in reference.generate(asked)}
    assert model._engine.width == 2 * int(ENGINE["max_num_seqs"])
    again = {r.id: r for r in model.generate(asked)}
    for response in again.values():  # whatever copy a record is on, its questions are there too
        assert response.cached_tokens > 0.6 * response.prompt_tokens
    homes = model._engine._placement._homes
    assert sorted(homes.values()) == [0, 0, 1, 1]


def test_probabilities_and_likelihoods_from_two_copies(model: Any, reference: Any) -> None:
    choices = (("yes", "Yes", " yes"), ("no", "No", " no"))
    asked = [ChoiceRequest(str(r), conversation(record, QUESTIONS[1]), choices) for r, record in enumerate(RECORDS)]
    ours, theirs = ({r.id: r.probabilities for r in m.choice_probabilities(asked)} for m in (model, reference))
    assert set(ours) == set(theirs)
    assert all(ours[id_] == pytest.approx(theirs[id_], abs=1e-3) for id_ in ours)
    texts = [LikelihoodRequest(str(r), ((record * 2, " yes"), (record * 2, " no"))) for r, record in enumerate(RECORDS)]
    scored, expected = ({r.id: [v for v, _ in r.likelihoods] for r in m.log_likelihoods(texts)} for m in (model, reference))
    assert all(scored[id_] == pytest.approx(expected[id_], abs=1e-3) for id_ in expected)


def test_a_copy_that_dies_while_scoring_ends_the_run_at_once(served_checkpoint: Path) -> None:
    """What was scored before is told first, and is stored, so the same command continues."""
    model = load_model(f"vllm:{served_checkpoint}", {**ENGINE, "data_parallel_size": "2"}, WINDOW)
    try:
        texts = [LikelihoodRequest(str(n), ((RECORDS[n % 4] * 2, f" yes {n}"),)) for n in range(400)]
        scored = []
        with pytest.raises(EhrbenchError, match="engine stopped .*the same command continues from there"):
            for response in model.log_likelihoods(texts):
                scored.append(response.finish)
                next(child for child in active_children() if "EngineCore" in child.name).kill()
        assert scored and set(scored) == {"stop"} and len(scored) < len(texts)
    finally:
        model.close()


def test_a_copy_that_dies_ends_the_run_at_once(model: Any) -> None:
    """The last test of the module: the engine is gone after it. Finished items are stored, so the same command continues."""
    asked = [Request(str(n), (Message("user", f"Tell of {n}."),), 400) for n in range(60)]
    with pytest.raises(EhrbenchError, match="engine stopped .*the same command continues from there"):
        for _ in model.generate(asked):
            next(child for child in active_children() if "EngineCore" in child.name).kill()
