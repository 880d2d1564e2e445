"""A LoRA adapter's folder, checked before the engine starts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import MissingError, UsageError
from ehrbench.hashing import hash_data, hash_file
from ehrbench.models.hf.checkpoint import read_json, require_weights
from ehrbench.models.hf.coverage import listed
from ehrbench.models.hf.weight_files import require_whole, safetensors_header

_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""What vLLM's ``max_lora_rank`` takes."""


class Adapter(NamedTuple):
    """An adapter that every call uses."""

    folder: str
    hash: str
    """Of its weights and configuration."""
    rank: int
    """The smallest limit that vLLM takes which holds the adapter's rank."""


def read_adapter(folder: Path, base: Path | None = None) -> Adapter:
    """Read an adapter as ``peft`` saves it.

    Args:
        folder: the adapter's.
        base: folder of the checkpoint that it is for; None: whether it covers that is not asked.

    Raises:
        MissingError: the folder is not an adapter, or its weights were cut short.
        UsageError: its configuration cannot be followed, or its weights do not cover the modules that it names.
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
    require_whole(weights[0])
    if weights[0].suffix == ".safetensors":
        _require_covered(folder, config, safetensors_header(weights[0]), _modules(base) if base is not None else frozenset())
    hashes = hash_data([hash_file(settings), hash_file(weights[0])])
    return Adapter(str(folder.resolve()), hashes, next(limit for limit in _RANKS if limit >= rank))


def _require_covered(folder: Path, config: Mapping[str, Any], tensors: Iterable[str], base: Set[str]) -> None:
    """Refuse an adapter that would change only part of what it was trained to change; the engines apply it without a word."""
    halves: dict[str, set[str]] = {"lora_A": set(), "lora_B": set()}
    for tensor in tensors:
        for half, modules in halves.items():
            module, found, _ = tensor.partition(f".{half}.")
            if found:
                modules.add(module.removeprefix("base_model.model."))
    lonely = sorted(halves["lora_A"] ^ halves["lora_B"])
    if lonely:
        raise UsageError(
            f"--model-arg lora={folder}: {len(lonely)} modules have one of their two matrices only ({listed(lonely)}): copy the "
            "adapter again"
        )
    targets = config.get("target_modules")
    if not isinstance(targets, list):  # a pattern: what it was meant to match is not written down
        return
    present = halves["lora_A"]
    absent = {target for target in targets if not any(_ends(module, target) for module in present)}
    if absent:
        raise UsageError(
            f"--model-arg lora={folder}: adapter_config.json names {listed(sorted(absent))}, which have no weights: copy "
            "the adapter again"
        )
    if config.get("layers_to_transform") is not None or not present <= base:
        return  # some layers only, or the two name their modules differently
    missing = sorted(module for module in base - present if any(_ends(module, target) for target in targets))
    if missing:
        raise UsageError(
            f"--model-arg lora={folder}: {len(missing)} modules of the checkpoint that adapter_config.json names have no weights "
            f"({listed(missing)}): copy the adapter again"
        )


def _ends(module: str, target: str) -> bool:
    return module == target or module.endswith(f".{target}")


def _modules(base: Path) -> frozenset[str]:
    """The modules of a checkpoint that have a weight matrix."""
    tensors = (name for file in require_weights(base) if file.suffix == ".safetensors" for name in safetensors_header(file))
    return frozenset(name.removesuffix(".weight") for name in tensors)
