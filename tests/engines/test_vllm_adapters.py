"""What vLLM does beside plain answers: a LoRA adapter, and answers held to choices."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

from ehrbench.errors import UsageError
from ehrbench.models import Message, Request
from ehrbench.models.loading import load_model
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.vllm

ENGINE = {
    "enforce_eager": "on",
    "dtype": "float32",
    "block_size": "32",
    "kv_cache_memory_bytes": str(64 << 20),
    "max_num_seqs": "8",
}
QUESTIONS = ["What is the sodium?", "Was she admitted?", "Hi", "List the discharge medications.", "Summarise."]
RANK, ALPHA = 4, 8


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("checkpoint") / "tiny", context=1024)


@pytest.fixture(scope="module")
def adapter_and_merged(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A random adapter of the query projections in peft's format, and the checkpoint with it added to the weights."""
    import torch
    from safetensors.torch import load_file, save_file

    folder, merged = tmp_path_factory.mktemp("adapter"), tmp_path_factory.mktemp("merged") / "tiny"
    shutil.copytree(checkpoint, merged)
    weights = load_file(merged / "model.safetensors")
    draw = torch.Generator().manual_seed(7)
    parts = {}
    for layer in range(2):
        name = f"model.layers.{layer}.self_attn.q_proj"
        rows, columns = weights[f"{name}.weight"].shape
        down, up = torch.randn(RANK, columns, generator=draw) * 0.3, torch.randn(rows, RANK, generator=draw) * 0.3
        parts[f"base_model.model.{name}.lora_A.weight"], parts[f"base_model.model.{name}.lora_B.weight"] = down, up
        weights[f"{name}.weight"] += up @ down * (ALPHA / RANK)
    save_file(parts, folder / "adapter_model.safetensors")
    save_file(weights, merged / "model.safetensors", metadata={"format": "pt"})
    settings = {"peft_type": "LORA", "r": RANK, "lora_alpha": ALPHA, "target_modules": ["q_proj"], "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return folder, merged


def answers(model: Any, **options: Any) -> dict[str, str]:
    asked = [Request(f"item {i}", (Message("user", text),), 16, **options) for i, text in enumerate(QUESTIONS)]
    found = {r.id: r for r in model.generate(asked)}
    assert {r.finish for r in found.values()} <= {"stop", "length"}, {r.error for r in found.values()}
    return {id_: response.text for id_, response in found.items()}


def test_an_adapter_answers_as_the_merged_checkpoint_does(checkpoint: Path, adapter_and_merged: tuple[Path, Path]) -> None:
    adapter, merged = adapter_and_merged
    plain = load_model(f"hf:{checkpoint}", {"dtype": "float32"}, None)
    reference = load_model(f"hf:{merged}", {"dtype": "float32"}, None)
    model = load_model(f"vllm:{checkpoint}", {**ENGINE, "lora": str(adapter)}, None)
    try:
        found = answers(model)
    finally:
        model.close()
    assert found == answers(reference)
    assert found != answers(plain)
    assert model.identity.settings["lora"]


def test_guided_answers_are_choices(checkpoint: Path) -> None:
    choices = ("pneumonia", "sepsis", "none of these")
    model = load_model(f"vllm:{checkpoint}", {**ENGINE, "guided": "choices"}, None)
    try:
        assert set(answers(model, choices=choices).values()) <= set(choices)
        assert not set(answers(model).values()) & set(choices), "an item without choices is free"
    finally:
        model.close()


def test_a_thinking_model_is_guided_only_with_a_parser(tmp_path: Path) -> None:
    folder = tiny_llama(tmp_path / "thinking", "chatml", context=1024)
    with pytest.raises(UsageError, match="give --model-arg reasoning_parser=NAME"):
        load_model(f"vllm:{folder}", {**ENGINE, "guided": "choices", "thinking": "on"}, None)
