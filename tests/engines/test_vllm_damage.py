"""What vLLM itself would not say of a damaged checkpoint: refused, or its items' named outcome."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from ehrbench.errors import UsageError
from ehrbench.models import ChoiceRequest, Message, Request
from ehrbench.models.finite import NOT_A_NUMBER
from ehrbench.models.vllm.model import load
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.vllm

ENGINE = {
    "enforce_eager": "on",
    "dtype": "float32",
    "block_size": "32",
    "kv_cache_memory_bytes": str(64 << 20),
    "max_num_seqs": "8",
}
ASKED = [Request(str(i), (Message("user", text),), 8) for i, text in enumerate(("sodium?", "Was she admitted?"))]


def without(folder: Path, part: str) -> None:
    """Take some of a checkpoint's tensors away."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    save_file({name: t for name, t in load_file(path).items() if part not in name}, path, metadata={"format": "pt"})


@pytest.mark.parametrize("part", ["lm_head", "layers.1."])
def test_weights_that_are_missing_are_refused(part: str, tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "m")
    without(folder, part)
    model = load(str(folder), ENGINE, 512)
    try:
        # Without accelerate ours looks for the output layer alone, which vLLM does not miss; of the others it says so itself.
        with pytest.raises(UsageError, match=rf"lack \d of the model's weights.*{part}"):
            list(model.generate(ASKED))
    finally:
        model.close()


def test_numbers_that_are_none_are_an_items_error(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny_llama(tmp_path / "m")
    tensors = load_file(folder / "model.safetensors")
    tensors["model.norm.weight"].fill_(float("nan"))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model: Any = load(str(folder), ENGINE, 512)
    try:
        found = list(model.generate(ASKED))
        assert [(r.finish, r.error, r.text) for r in found] == [("error", NOT_A_NUMBER, "")] * 2
        choices = [ChoiceRequest("c", (Message("user", "sodium?"),), (("yes",), ("no",)))]
        (choice,) = model.choice_probabilities(choices)
        assert (choice.finish, choice.error, choice.probabilities) == ("error", NOT_A_NUMBER, ())
    finally:
        model.close()


@pytest.mark.parametrize(
    ("changes", "arguments"),
    [
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512}}, {}),
        ({}, {"window": "2048"}),
    ],
)
def test_a_window_longer_than_the_positions_is_used(changes: dict[str, Any], arguments: dict[str, str], tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "m", context=512)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    model = load(str(folder), {**ENGINE, **arguments}, 1500)
    long = Request("long", (Message("user", "Sodium 140 mmol/L. " * 90),), 8)
    try:
        (found,) = model.generate([long])
    finally:
        model.close()
    assert found.finish in ("stop", "length") and found.prompt_tokens is not None and found.prompt_tokens > 512
