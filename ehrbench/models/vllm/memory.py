"""Whether a checkpoint and one whole window fit on the GPUs: said before minutes are spent on loading, with what to change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ehrbench.errors import UsageError
from ehrbench.models.hf.checkpoint import require_weights

_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2, "half": 2, "float": 4}
_OTHER_CACHES = ("kv_lora_rank", "sliding_window", "layer_types", "mamba_d_state", "ssm_state_size", "full_attention_interval")
"""Keys of architectures whose cache is smaller than the plain formula says: no estimate is made for them."""


def weights_bytes(folder: Path, saved: str, dtype: str) -> int:
    """Bytes of a checkpoint's weights in the type that they are loaded in."""
    size = sum(file.stat().st_size for file in require_weights(folder))
    return size * _BYTES.get(dtype, 1) // _BYTES[saved] if saved in _BYTES and dtype in _BYTES else size


def cache_bytes_per_token(config: Mapping[str, Any], dtype: str) -> int | None:
    """Bytes of keys and values that one token holds; None where the architecture does not follow the plain formula."""
    text: Mapping[str, Any] = config.get("text_config") or config
    heads, layers = text.get("num_attention_heads"), text.get("num_hidden_layers")
    if any(text.get(key) for key in _OTHER_CACHES) or dtype not in _BYTES or not heads or not layers:
        return None
    size = text.get("head_dim") or (text["hidden_size"] // heads if text.get("hidden_size") else None)
    if size is None:
        return None
    return int(2 * layers * (text.get("num_key_value_heads") or heads) * size * _BYTES[dtype])


def require_memory(
    name: str,
    *,
    weights: int,
    cache_per_token: int | None,
    window: int | None,
    gpu_bytes: int,
    utilization: float,
    shards: int,
    gpus: int,
) -> None:
    """Refuse what cannot fit.

    The estimate leaves out activations, so that it never refuses what would run.

    Args:
        name: of the model, for the message.
        weights: bytes of all weights.
        cache_per_token: bytes a token; None: no estimate for the window.
        window: tokens of one whole window.
        gpu_bytes: memory of one GPU.
        utilization: the share of it that vLLM may take.
        shards: GPUs that one copy of the model is spread over.
        gpus: GPUs that there are.

    Raises:
        UsageError: naming the longest window that fits, and how many GPUs would do.
    """
    offered = int(gpu_bytes * utilization) * shards
    cache = (cache_per_token or 0) * (window or 0)
    if weights + cache <= offered:
        return
    needs = f"about {_gb(weights)} for its weights"
    steps = []
    if cache:
        needs += f" and {_gb(cache)} for a window of {window:,} tokens"
        fitting = (offered - weights) // (cache_per_token or 1)
        if fitting >= 1024:
            steps.append(f"--max-model-len {fitting // 1024 * 1024} or less")
    more = next((n for n in (2, 4, 8, 16) if n > shards and int(gpu_bytes * utilization) * n >= weights + cache), None)
    if more is not None:
        have = "" if more <= gpus else f" on a machine with {more} such GPUs"
        steps.append(f"--model-arg tensor_parallel_size={more}{have}")
    if weights > offered:
        steps.append("a quantised copy of the model (quantization=fp8 where the GPU can)")
    each = f"{_gb(gpu_bytes)} of {'the GPU' if shards == 1 else f'each of {shards} GPUs'}"
    raise UsageError(
        f"'{name}' needs {needs}, but gpu_memory_utilization={utilization:g} of {each} is {_gb(offered)}: "
        f"use {', or '.join(steps) or 'a larger GPU'}"
    )


def _gb(size: int) -> str:
    return f"{size / 1e9:,.1f} GB"
