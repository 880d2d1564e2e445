"""How many tokens a checkpoint's model can hold, and which of its files says so."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import UsageError
from ehrbench.models.hf.checkpoint import read_json
from ehrbench.models.hf.config import language_parts, value

_KEYS = ("max_position_embeddings", "n_positions", "max_sequence_length", "max_seq_len", "max_seq_length", "seq_length", "n_ctx")
_STRETCHING = ("linear", "dynamic", "yarn", "deepseek_yarn")
"""Kinds of rope scaling whose ``factor`` makes the window longer than the positions that were trained."""
_SCALED_ALREADY = "gemma3"
"""Models of this family state the scaled length."""
_NO_LIMIT = 10**9
"""Tokenizers write a number of thirty digits where they know no limit."""


class OwnWindow(NamedTuple):
    """A model's own window."""

    tokens: int | None
    """Prompt and answer together; None where nothing says how many."""
    source: str
    """Where the number stands, for people."""


def own_window(folder: Path, config: Any, tokenizer_config: Mapping[str, Any], given: int | None = None) -> OwnWindow:
    """Read a checkpoint's window.

    The configuration's number is that of its positions. Scaled rotary positions reach further: ``factor`` times the original
    length (YaRN states that beside the factor). The tokenizer's ``model_max_length`` counts where it is smaller.

    Args:
        folder: the checkpoint, for its ``config.json``.
        config: what ``load_config`` made of it.
        tokenizer_config: ``tokenizer_config.json``.
        given: ``--model-arg window``, which overrules all.
    """
    if given is not None:
        return OwnWindow(given, "--model-arg window")
    found = next(_positions(config), None)
    limit = tokenizer_config.get("model_max_length")
    if isinstance(limit, int | float) and 0 < limit < _NO_LIMIT and (found is None or limit < found[0]):
        return OwnWindow(int(limit), "model_max_length in tokenizer_config.json")
    if found is None:
        return OwnWindow(None, "")
    tokens, scaled = found
    # The library has its own name for what an older configuration calls n_positions or n_ctx.
    plain = read_json(folder / "config.json")
    written = next((key for part in language_parts(plain) for key in _KEYS if value(part, key) is not None), None)
    source = f"transformers' default for '{value(config, 'model_type')}'" if written is None else f"{written} in config.json"
    return OwnWindow(tokens, source + scaled)


def usable_window(own: OwnWindow, asked: int | None, name: str) -> int | None:
    """Tokens of prompt and answer together: the model's own window, or the smaller one that was asked for.

    Raises:
        UsageError: the window asked for is larger than the model's.
    """
    if own.tokens is not None and asked is not None and asked > own.tokens:
        raise UsageError(
            f"--max-model-len {asked} is more than the {own.tokens} tokens that '{name}' can hold ({own.source}): give at most "
            f"{own.tokens}, or --model-arg window={asked} if you know that the model holds as many"
        )
    return own.tokens if asked is None else asked


def _positions(config: Any) -> Iterator[tuple[int, str]]:
    """Windows that the parts of a configuration state: tokens, and in words how they are scaled."""
    scaled_already = any(_SCALED_ALREADY in str(value(part, "model_type")) for part in language_parts(config))
    for part in language_parts(config):
        for key in _KEYS:
            stated = value(part, key)
            if isinstance(stated, int) and stated > 0:
                yield (stated, "") if scaled_already else _stretched(part, stated)
                break


def _stretched(part: Any, stated: int) -> tuple[int, str]:
    for rope in _ropes(part):
        kind = rope.get("rope_type") or rope.get("type")
        factor = rope.get("factor")
        if kind not in _STRETCHING or not isinstance(factor, int | float):
            continue
        original = rope.get("original_max_position_embeddings") or stated
        reach = int(original * factor)
        if reach > stated:
            return reach, f", stretched to {factor:g} × {original} by its rope scaling '{kind}'"
    return stated, ""


def _ropes(part: Any) -> Iterator[Mapping[str, Any]]:
    """Every description of scaled rotary positions: one for the model, or one for each type of layer."""
    for key in ("rope_parameters", "rope_scaling"):
        found = value(part, key)
        if isinstance(found, Mapping):
            nested = [entry for entry in found.values() if isinstance(entry, Mapping)]
            yield from nested or [found]
