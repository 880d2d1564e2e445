"""A LoRA adapter's folder, checked before the engine starts."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_data, hash_file
from ehrbench.models.hf.checkpoint import read_json

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM's ``max_lora_rank`` takes."""


class Adapter(NamedTuple):
    """An adapter that every call uses."""

    folder: str
    hash: str
    """Of its weights and configuration."""
    rank: int
    """The smallest limit that vLLM takes which holds the adapter's rank."""


def read_adapter(folder: Path) -> Adapter:
    """Read an adapter as ``peft`` saves it.

    Raises:
        MissingError: the folder is not an adapter.
        UsageError: its configuration cannot be followed.
    """
    settings = folder / "adapter_config.json"
    if not settings.is_file():
        raise MissingError(
            f"--model-arg lora={folder}: no adapter_config.json there; give the folder that peft's save_pretrained wrote"
        )
    weights = [path for name in ("adapter_model.safetensors", "adapter_model.bin") if (path := folder / name).is_file()]
    if not weights:
        raise MissingError(f"--model-arg lora={folder}: no adapter_model.safetensors there: the copy is not complete")
    config = read_json(settings)
    rank = config.get("r")
    if config.get("peft_type", "LORA") != "LORA" or not isinstance(rank, int) or not 1 <= rank <= _RANKS[-1]:
        raise UsageError(
            f"--model-arg lora={folder}: found peft_type {config.get('peft_type')} with r {rank}, expected LORA with a rank "
            f"from 1 to {_RANKS[-1]}: merge the adapter into its base model and give the merged folder"
        )
    hashes = hash_data([hash_file(settings), hash_file(weights[0])])
    return Adapter(str(folder.resolve()), hashes, next(limit for limit in _RANKS if limit >= rank))
