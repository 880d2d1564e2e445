"""Multiple choice by likelihood: lm-eval's prompts, letter for letter, and an answer that is the likeliest letter."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from ehrbench.models.offline.baseline import Baseline
from ehrbench.models.protocol import ChoiceRequest, ChoiceResponse
from ehrbench.readers.data_dir import open_dataset
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prepared import prepare
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.run import score_run
from ehrbench.tasks.catalog import load_catalog
from ehrbench.tasks.prompts import render
from ehrbench.tasks.slots import prompt_slots

PROMPTS = {
    "medqa": (
        "Question: A walker has a fresh blister on the heel. What is done first?\n"
        "A. Antibiotics\nB. A clean cover\nC. Surgery\nD. An X-ray\nAnswer:"
    ),
    "medmcqa": "Question: Which organ makes insulin?\nChoices:\nA. Liver\nB. Spleen\nC. Kidney\nD. Pancreas\nAnswer:",
    "pubmedqa": (
        "Abstract: Of 40 walkers with padded socks, 2 had blisters; of 40 without, 11 had.\n"
        "Question: Do padded socks go with fewer blisters?\nAnswer:"
    ),
}


@pytest.mark.parametrize("name", PROMPTS)
def test_prompts_are_lm_evals(name: str) -> None:
    spec = load_catalog().get(f"meds_likelihood.{name}")
    item = open_dataset(spec, "sample").items[0]
    assert [tuple(message) for message in render(spec.prompt, prompt_slots(item))] == [("user", PROMPTS[name])]


class Fixed(Baseline):
    """Gives each choice a fixed probability and keeps what it was asked."""

    def __init__(self, weights: tuple[float, ...]) -> None:
        super().__init__("fixed", lambda request: "")
        self.weights = weights
        self.asked: list[ChoiceRequest] = []

    def choice_probabilities(self, requests: Iterable[ChoiceRequest]) -> Iterator[ChoiceResponse]:
        def answers() -> Iterator[ChoiceResponse]:
            for request in requests:
                self.asked.append(request)
                yield ChoiceResponse(request.id, self.weights[: len(request.choices)])

        return answers()


@pytest.mark.parametrize(
    ("name", "weights", "value"), [("medqa", (0.1, 0.5, 0.2, 0.2), 3 / 6), ("pubmedqa", (0.2, 0.7, 0.1), 2 / 6)]
)
def test_the_likeliest_choice_is_the_answer(tmp_path: Path, name: str, weights: tuple[float, ...], value: float) -> None:
    model = Fixed(weights)
    run = prepare(load_catalog().get(f"meds_likelihood.{name}"), model, RunOptions(data_dir="sample", out=tmp_path))
    folder, _ = generate(run)
    result = score_run(load_run(folder))
    assert result.metrics[0].value == pytest.approx(value)
    spelled = {"medqa": ((" A",), (" B",), (" C",), (" D",)), "pubmedqa": ((" yes",), (" no",), (" maybe",))}[name]
    assert model.asked[0].choices == spelled
    assert all(request.whole for request in model.asked), "all tokens of ' maybe' count"
    assert json.loads(folder.result.read_text())["suite"] == "meds_likelihood"
