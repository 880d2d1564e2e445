"""A checkpoint's own window: which of its files says how long it is, and what scaled positions make of that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ehrbench.errors import UsageError
from ehrbench.models.hf.config import load_config
from ehrbench.models.hf.window import OwnWindow, own_window, usable_window

QWEN = {"model_type": "qwen2", "max_position_embeddings": 32768}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "original_max_position_embeddings": 8192}
CASES: dict[str, tuple[dict[str, Any], int | None, int | None, str]] = {
    "plain": (QWEN, None, 32768, "max_position_embeddings in config.json"),
    "YaRN": (
        {**QWEN, "rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}},
        131072,
        131072,
        "max_position_embeddings in config.json, stretched to 4 × 32768 by its rope scaling 'yarn'",
    ),
    "YaRN, the stretched length stated": (
        {
            "model_type": "deepseek_v3",
            "max_position_embeddings": 163840,
            "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096},
        },
        None,
        163840,
        "max_position_embeddings in config.json",
    ),
    "linear": (
        {"model_type": "llama", "max_position_embeddings": 4096, "rope_scaling": {"type": "linear", "factor": 4.0}},
        None,
        16384,
        "max_position_embeddings in config.json, stretched to 4 × 4096 by its rope scaling 'linear'",
    ),
    "llama3 states the stretched length": (
        {"model_type": "llama", "max_position_embeddings": 131072, "rope_scaling": {**LLAMA3, "low_freq_factor": 1}},
        None,
        131072,
        "max_position_embeddings in config.json",
    ),
    "Gemma 3 too": (
        {
            "model_type": "gemma3",
            "text_config": {"max_position_embeddings": 131072, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}},
        },
        None,
        131072,
        "max_position_embeddings in config.json",
    ),
    "nested twice": (
        {"model_type": "other_omni", "thinker_config": {"text_config": {"max_position_embeddings": 32768}}},
        None,
        32768,
        "max_position_embeddings in config.json",
    ),
    "nested under llm_config": ({"model_type": "other", "llm_config": {"max_position_embeddings": 8192}}, None, 8192, ""),
    "nested under language_config": ({"model_type": "other", "language_config": {"n_positions": 4096}}, None, 4096, ""),
    "the tokenizer knows a shorter one": (QWEN, 2048, 2048, "model_max_length in tokenizer_config.json"),
    "the tokenizer knows no limit": (QWEN, 10**30, 32768, "max_position_embeddings in config.json"),
    "only the tokenizer knows": ({"model_type": "other"}, 4096, 4096, "model_max_length in tokenizer_config.json"),
    "nobody knows": ({"model_type": "other"}, 10**30, None, ""),
}


def read(folder: Path, config: dict[str, Any], limit: int | None, given: int | None = None) -> OwnWindow:
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer = {} if limit is None else {"model_max_length": limit}
    return own_window(folder, load_config(folder), tokenizer, given)


@pytest.mark.parametrize("case", CASES)
def test_the_window_and_its_source(case: str, tmp_path: Path) -> None:
    config, limit, tokens, source = CASES[case]
    found = read(tmp_path, config, limit)
    assert found.tokens == tokens
    assert not source or found.source == source


@pytest.mark.hf
def test_what_the_configuration_leaves_out_is_the_librarys_default(tmp_path: Path) -> None:
    assert read(tmp_path, {"model_type": "llama"}, None) == OwnWindow(2048, "transformers' default for 'llama'")
    assert read(tmp_path, {"model_type": "gpt2", "n_positions": 512}, None) == OwnWindow(512, "n_positions in config.json")
    assert read(tmp_path, {"model_type": "mamba"}, None).tokens is None


def test_a_longer_window_needs_the_users_word(tmp_path: Path) -> None:
    own = read(tmp_path, QWEN, None)
    assert usable_window(own, 1024, "m") == 1024 and usable_window(own, None, "m") == 32768
    with pytest.raises(UsageError, match=r"more than the 32768 tokens .* \(max_position_embeddings in config.*window=40000"):
        usable_window(own, 40_000, "m")
    said = read(tmp_path, QWEN, None, given=65_536)
    assert usable_window(said, 40_000, "m") == 40_000 and usable_window(said, None, "m") == 65_536
    assert usable_window(OwnWindow(None, ""), 40_000, "m") == 40_000
