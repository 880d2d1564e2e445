"""A resolved task as YAML, each value with the file and line that decided it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ehrbench.tasks.yaml_file import KeyPath, Position

_BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_RESERVED = {"null", "true", "false"}


def resolved_lines(values: Mapping[str, Any], origin: Mapping[KeyPath, Position]) -> Iterator[str]:
    """YAML lines that read back to ``values``; a value without an origin is the schema's default."""
    return _mapping(values, origin, ())


def dotted(place: KeyPath) -> str:
    """A place as one word: ``data.options.files[0]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def _mapping(values: Mapping[str, Any], origin: Mapping[KeyPath, Position], place: KeyPath) -> Iterator[str]:
    indent = "  " * len(place)
    for key, value in values.items():
        here = (*place, key)
        if isinstance(value, dict) and value:
            yield f"{indent}{_scalar(key)}:"
            yield from _mapping(value, origin, here)
        else:
            yield f"{indent}{_scalar(key)}: {_flow(value)}  # {origin.get(here, 'default')}"


def _flow(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow(inner) for inner in value) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_flow(inner)}" for key, inner in value.items()) + "}"
    return _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value) and value.lower() not in _RESERVED:
        return value
    # JSON is YAML but for these characters, which YAML wants escaped.
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(value, ensure_ascii=False))
