"""The parts of the vLLM backend that need no vLLM: its arguments, its memory and its adapters."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.models.choices import Spellings, normalised
from ehrbench.models.vllm.arguments import read_arguments
from ehrbench.models.vllm.choices import choice_logs
from ehrbench.models.vllm.copies import Placement
from ehrbench.models.vllm.lora import read_adapter
from ehrbench.models.vllm.memory import cache_bytes_per_token, require_memory, weights_bytes
from tests.tiny.files import empty_safetensors

GB = 10**9


@dataclass
class EngineArgs:
    model: str = ""
    seed: int = 0
    served_model_name: str | list[str] | None = None
    dtype: Literal["auto", "float32"] = "auto"
    quantization: Literal["fp8", "awq"] | str | None = None
    enforce_eager: bool = False
    gpu_memory_utilization: float = 0.9
    hf_overrides: dict[str, int] | None = None
    tensor_parallel_size: int = 1
    _private: int = 0


def test_values_take_the_types_of_the_signature() -> None:
    given = read_arguments(
        {
            "seed": "3",
            "served_model_name": "7",
            "dtype": "float32",
            "quantization": "none",
            "enforce_eager": "on",
            "gpu_memory_utilization": "0.5",
            "hf_overrides": '{"a": 1}',
            "tensor_parallel_size": "2",
            "thinking": "off",
            "lora": "somewhere",
        },
        EngineArgs,
    )
    assert given.own == {"thinking": "off", "lora": "somewhere"}
    assert given.engine == {
        "seed": 3,
        "served_model_name": "7",
        "dtype": "float32",
        "quantization": None,
        "enforce_eager": True,
        "gpu_memory_utilization": 0.5,
        "hf_overrides": {"a": 1},
        "tensor_parallel_size": 2,
    }
    assert set(given.settings) == {"seed", "served_model_name", "dtype", "quantization", "hf_overrides"}, "capacity is no setting"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"enforce_eagr": "on"}, "unknown argument of vllm 'enforce_eagr' .did you mean 'enforce_eager'"),
        ({"enforce_eager": "7"}, "enforce_eager=7: expected on or off"),
        ({"seed": "x"}, "seed=x: expected a whole number"),
        ({"dtype": "half"}, "dtype=half: expected one of auto, float32"),
        ({"model": "x"}, "it is set by the part of --model after the colon"),
        ({"_private": "1"}, "unknown argument of vllm '_private'"),
        ({"hf_token": "hf_abcdefghijklmnop"}, "looks like a secret"),
    ],
)
def test_bad_arguments(args: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_arguments(args, EngineArgs)


LLAMA = {"num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "hidden_size": 4096}


def test_cache_of_a_token() -> None:
    assert cache_bytes_per_token(LLAMA, "bfloat16") == 2 * 32 * 8 * 128 * 2 == 131_072
    assert cache_bytes_per_token({**LLAMA, "sliding_window": 4096}, "bfloat16") is None
    assert cache_bytes_per_token(LLAMA, "auto") is None


def test_weights_in_the_type_they_are_loaded_in(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.bin").write_bytes(b"\x80" + b"\0" * 999)
    assert weights_bytes(tmp_path, "float32", "bfloat16") == 500
    assert weights_bytes(tmp_path, "bfloat16", "float32") == 2000
    assert weights_bytes(tmp_path, "", "auto") == 1000


def test_a_gpu_that_is_too_small_names_what_would_fit() -> None:
    fits = {"weights": 16 * GB, "cache_per_token": 131_072, "utilization": 0.9, "shards": 1, "gpus": 2}
    require_memory("tiny", **fits, window=8192, gpu_bytes=24 * GB)
    with pytest.raises(UsageError) as caught:
        require_memory("tiny", **fits, window=131_072, gpu_bytes=24 * GB)
    # (0.9 * 24 - 16) GB / 131072 bytes = 42724 tokens, rounded down to a multiple of 1024; 2 * 21.6 >= 16 + 17.2
    assert "16.0 GB for its weights and 17.2 GB for a window of 131,072 tokens" in str(caught.value)
    assert "use --max-model-len 41984 or less, or --model-arg tensor_parallel_size=2" in str(caught.value)
    with pytest.raises(UsageError, match="tensor_parallel_size=4 on a machine with 4 such GPUs"):
        require_memory("tiny", **{**fits, "weights": 60 * GB}, window=8192, gpu_bytes=24 * GB)


def test_probabilities_of_whole_spellings_from_a_tree_of_calls() -> None:
    """Two choices that both begin with token 1: P(1) = .5; after 1: P(2) = .6, P(3) = .1; token 4 alone has .2."""
    table = {(): {1: 0.5, 4: 0.2}, (1,): {2: 0.6, 3: 0.1}}
    asked: list[tuple[int, ...]] = []

    async def ask(begun: Sequence[int], wanted: Sequence[int]) -> Mapping[int, float]:
        asked.append(tuple(begun))
        return {token: math.log(table[tuple(begun)][token]) for token in wanted}

    shares, mass = normalised(asyncio.run(choice_logs(Spellings((((1, 2), (4,)), ((1, 3),))), ask)))
    assert mass == pytest.approx(0.5 * 0.6 + 0.2 + 0.5 * 0.1)
    assert shares == pytest.approx(((0.3 + 0.2) / 0.55, 0.05 / 0.55))
    assert asked == [(), (1,)]
    shares, mass = normalised(asyncio.run(choice_logs(Spellings((((1, 2),), ((4,),))), ask)))
    assert mass == pytest.approx(0.7) and shares == pytest.approx((0.5 / 0.7, 0.2 / 0.7))


def test_adapters(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no adapter_config.json there"):
        read_adapter(tmp_path)
    settings = tmp_path / "adapter_config.json"
    settings.write_text(json.dumps({"peft_type": "LORA", "r": 12}))
    with pytest.raises(MissingError, match="the copy is not complete"):
        read_adapter(tmp_path)
    empty_safetensors(tmp_path / "adapter_model.safetensors")
    found = read_adapter(tmp_path)
    assert found.rank == 16 and found.folder == str(tmp_path.resolve())
    settings.write_text(json.dumps({"peft_type": "IA3"}))
    with pytest.raises(UsageError, match="found peft_type IA3"):
        read_adapter(tmp_path)


def test_questions_on_a_record_go_to_the_copy_that_has_read_it() -> None:
    placement = Placement(copies=3, capacity=4)
    homes = [placement.begin(record) for record in ("a", "b", "c")]
    assert sorted(homes) == [0, 1, 2]
    assert [placement.begin(record) for record in ("c", "a", "b")] == [homes[2], homes[0], homes[1]]
    for copy in homes:
        placement.end(copy)
        placement.end(copy)
    assert placement.begin("b") == homes[1], "also when nothing is under way"


def test_calls_without_a_record_go_where_there_is_least_to_do() -> None:
    placement = Placement(copies=2, capacity=4)
    first = placement.begin(None)
    assert placement.begin(None) != first
    placement.end(first)
    assert placement.begin(None) == first


def test_a_record_that_all_ask_about_keeps_no_copy_idle() -> None:
    placement = Placement(copies=2, capacity=4)
    copies = [placement.begin("a") for _ in range(8)]
    assert copies == [0] * 4 + [1] * 4
    assert placement.begin("a", stay=True) == 1
    assert Placement(copies=2, capacity=1).begin("a", stay=True) == 0


def test_records_that_were_asked_about_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ehrbench.models.vllm.copies._MOST_HOMES", 2)
    placement = Placement(copies=2, capacity=9)
    assert placement.begin("a") == 0
    for record in ("b", "c", "d"):
        placement.end(placement.begin(record))
    assert placement.begin("a") == 1, "a new home, where there is least to do"


@pytest.mark.parametrize(
    ("drop", "message"),
    [
        ("model.layers.1.self_attn.q_proj.lora_A", r"1 modules have one of their two matrices only \(model.layers.1.self_attn.q"),
        ("v_proj", "adapter_config.json names v_proj, which have no weights"),
        (
            "model.layers.1.self_attn.q_proj",
            r"1 modules of the checkpoint .* have no weights \(model.layers.1.self_attn.q_proj\)",
        ),
        ("nothing", ""),
    ],
)
def test_an_adapter_that_lacks_weights_is_refused(tmp_path: Path, drop: str, message: str) -> None:
    modules = [f"model.layers.{layer}.self_attn.{name}_proj" for layer in (0, 1) for name in "qv"]
    base, adapter = tmp_path / "base", tmp_path / "adapter"
    tensor = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    for folder in (base, adapter):
        folder.mkdir()
    (base / "config.json").write_text("{}")
    empty_safetensors(base / "model.safetensors", header={f"{module}.weight": tensor for module in modules})
    settings = {"peft_type": "LORA", "r": 4, "target_modules": ["q_proj", "v_proj"]}
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    names = [f"base_model.model.{module}.lora_{half}.weight" for module in modules for half in "AB"]
    empty_safetensors(adapter / "adapter_model.safetensors", header={name: tensor for name in names if drop not in name})
    if not message:
        read_adapter(adapter, base)
        return
    with pytest.raises(UsageError, match=message):
        read_adapter(adapter, base)
