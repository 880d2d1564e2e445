"""One tiny Llama three ways: vLLM in this process, vLLM's server on the loopback interface, and transformers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from ehrbench.models import ChoiceRequest, Message, Request
from ehrbench.models.loading import load_model
from tests.engines.vllm_server import ENGINE, WINDOW

pytestmark = pytest.mark.vllm

NOTE = "Sodium 140 mmol/L on 2015-03-02. The patient denies shortness of breath. " * 4
QUESTIONS = ["What is the sodium?", "Was she admitted?", "Hi", "List the discharge medications.", "Summarise."]


@pytest.fixture(scope="module")
def models(served_checkpoint: Path, vllm_server: str) -> Iterator[dict[str, Any]]:
    loaded = {
        "vllm": load_model(f"vllm:{served_checkpoint}", ENGINE, WINDOW),
        "server": load_model("openai:tiny", {"base_url": vllm_server, "top_logprobs": "512"}, WINDOW),
        "transformers": load_model(f"hf:{served_checkpoint}", {"dtype": "float32"}, WINDOW),
    }
    yield loaded
    for model in loaded.values():
        model.close()


def test_greedy_answers_are_the_same_three_ways(models: dict[str, Any]) -> None:
    asked = [Request(f"item {i}", (Message("user", f"{NOTE}\n\n{question}"),), 16) for i, question in enumerate(QUESTIONS)]
    found = {name: {r.id: (r.text, r.finish, r.prompt_tokens) for r in model.generate(asked)} for name, model in models.items()}
    assert found["vllm"] == found["transformers"]
    # The server's text ends before a character whose bytes are not complete; from the tokens it decodes to a replacement.
    whole = {id_: (text.rstrip("\ufffd"), *rest) for id_, (text, *rest) in found["vllm"].items()}
    assert whole == {id_: (text.rstrip("\ufffd"), *rest) for id_, (text, *rest) in found["server"].items()}
    assert len({text for text, *_ in found["vllm"].values()}) == len(QUESTIONS)


def test_probability_of_yes_is_the_same_three_ways(models: dict[str, Any]) -> None:
    choices = ((" yes",), (" no",))
    asked = [ChoiceRequest(f"item {i}", (Message("user", NOTE + question),), choices) for i, question in enumerate(QUESTIONS)]
    found = {
        name: {r.id: r.probabilities[0] for r in model.choice_probabilities(asked) if r.finish == "stop"}
        for name, model in models.items()
    }
    assert len(found["vllm"]) == len(QUESTIONS)
    assert found["vllm"] == pytest.approx(found["transformers"], abs=1e-3)
    assert found["vllm"] == pytest.approx(found["server"], abs=1e-3)
    assert max(found["vllm"].values()) - min(found["vllm"].values()) > 0.01


def test_both_engines_report_what_they_took_from_their_cache(models: dict[str, Any]) -> None:
    for name in ("vllm", "server"):
        (first,) = models[name].generate([Request("1", (Message("user", f"{name} {NOTE} When?"),), 2)])
        (second,) = models[name].generate([Request("2", (Message("user", f"{name} {NOTE} Why?"),), 2)])
        assert first.prompt_tokens * 0.6 < second.cached_tokens < first.prompt_tokens, name
