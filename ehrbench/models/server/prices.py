"""What a call costs, from a file of prices that the user keeps: no price is built in, since they change."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import MissingError, UsageError
from ehrbench.jsonl import parse
from ehrbench.models.server.reply import TokenCounts


class Prices(NamedTuple):
    """US dollars per million tokens."""

    input: float
    output: float
    cached_input: float
    batch: Prices | None = None
    """Of the batch service; None: not known."""

    def cost(self, usage: TokenCounts) -> float | None:
        """Dollars of one call; None where the server does not say how many tokens it had."""
        if usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        cached = min(usage.cached_tokens or 0, usage.prompt_tokens)
        fresh = usage.prompt_tokens - cached
        return (fresh * self.input + cached * self.cached_input + usage.completion_tokens * self.output) / 1e6


def read_prices(path: str, model: str) -> Prices:
    """One model's prices from a JSON file: ``{"gpt-4o": {"input": 2.5, "cached_input": 1.25, "output": 10}}``.

    ``cached_input`` is ``input`` where it is not given; ``batch`` has the same three for the batch service.

    Raises:
        MissingError: no such file.
        UsageError: not such a file, or the model is not in it.
    """
    try:
        data = parse(Path(path).expanduser().read_text("utf-8"))
    except OSError:
        raise MissingError(f"--model-arg prices={path}: there is no such file") from None
    except ValueError:
        data = None
    expected = f'expected {{"{model}": {{"input": …, "output": …}}}} in US dollars per million tokens'
    entry = data.get(model) if isinstance(data, dict) else None
    if not isinstance(entry, dict):
        raise UsageError(f"--model-arg prices={path}: no prices of '{model}' there; {expected}")
    try:
        prices, batch = _prices(entry), _prices(entry["batch"]) if "batch" in entry else None
    except (KeyError, TypeError, ValueError):
        raise UsageError(f"--model-arg prices={path}: the entry of '{model}' lacks a number; {expected}") from None
    if min(*prices[:3], *(batch or prices)[:3]) < 0:
        raise UsageError(f"--model-arg prices={path}: a price of '{model}' is negative; {expected}")
    return prices._replace(batch=batch)


def _prices(entry: Mapping[str, Any]) -> Prices:
    cached = entry["cached_input"] if "cached_input" in entry else entry["input"]
    return Prices(float(entry["input"]), float(entry["output"]), float(cached))
