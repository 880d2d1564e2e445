"""What lm-eval would not say of a damaged checkpoint: its generated texts and likelihoods come without a word about NaN."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from ehrbench.models import ChoiceRequest, Message, Request
from ehrbench.models.capabilities import LikelihoodRequest
from ehrbench.models.finite import NOT_A_NUMBER
from ehrbench.models.loading import load_model
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.lm_eval

ASKED = [Request(str(i), (Message("user", text),), 8) for i, text in enumerate(("sodium?", "Was she admitted?"))]


def changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> Any:
    from safetensors.torch import load_file, save_file

    tensors = load_file(tiny_llama(folder) / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return load_model(f"lm-eval:hf,pretrained={folder},dtype=float32,device=cpu", {}, 512)


def test_numbers_that_are_none_are_an_items_error(tmp_path: Path) -> None:
    model = changed(tmp_path / "m", lambda tensors: tensors["model.norm.weight"].fill_(float("nan")))
    found = list(model.generate(ASKED))
    assert [(r.finish, r.error, r.text) for r in found] == [("error", NOT_A_NUMBER, "")] * 2
    short = [Request("one token", (Message("user", "sodium?"),), 1)]
    assert [r.error for r in model.generate(short)] == [NOT_A_NUMBER]
    (scored,) = model.log_likelihoods([LikelihoodRequest("s", (("sodium?", " yes"),))])
    assert (scored.finish, scored.error, scored.likelihoods) == ("error", NOT_A_NUMBER, ())
    (choice,) = model.choice_probabilities([ChoiceRequest("c", (Message("user", "sodium?"),), (("yes",), ("no",)))])
    assert (choice.finish, choice.error, choice.probabilities) == ("error", NOT_A_NUMBER, ())


def test_an_answer_that_repeats_itself_stands_where_its_scores_are_numbers(tmp_path: Path) -> None:
    model = changed(tmp_path / "m", lambda tensors: tensors["lm_head.weight"].fill_(0.0))  # every token is as likely
    found = list(model.generate(ASKED))
    assert [r.error for r in found] == [None, None]
