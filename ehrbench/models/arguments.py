"""Reading ``--model-arg key=value``: names and values are checked before anything is loaded, and secrets are turned away."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ehrbench.errors import UsageError, unknown_name
from ehrbench.jsonl import parse

_SECRET_NAME = re.compile(
    r"(.*[_-])?(key|apikey|secret|password|passwd|authorization|credentials?)|((hf|auth|access|api|bearer)[_-]?)?token",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"(?<![a-z0-9])(sk-[\w-]{12,}|hf_\w{12,}|AIza[\w-]{20,}|bearer\s+\S{8,}|eyJ[\w-]{10,}\.[\w-]{10,}\.)", re.IGNORECASE
)


def refuse_secrets(given: Mapping[str, str]) -> None:
    """Turn away an argument that is, or looks like, a key: arguments end in manifests and in the shell's history.

    Raises:
        UsageError: naming the argument, never its value.
    """
    for name, value in given.items():
        if _SECRET_NAME.fullmatch(name) or _SECRET_VALUE.search(value):
            raise UsageError(
                f"{name if name.startswith('--') else f'--model-arg {name}'}: looks like a secret, which is never taken from the "
                "command line: put it into an environment variable and name that with --model-arg api_key_env=NAME "
                "(default OPENAI_API_KEY or AZURE_OPENAI_API_KEY)"
            )


class Arguments:
    """The arguments of one backend."""

    def __init__(self, backend: str, given: Mapping[str, str], known: Mapping[str, str]) -> None:
        """Check the names.

        Args:
            backend: for messages.
            given: what the user gave.
            known: every legal name, with what it does in one line.

        Raises:
            UsageError: an unknown name, or a secret.
        """
        refuse_secrets(given)
        for name in given:
            if name not in known:
                raise UsageError(f"--model-arg {name}: {unknown_name(f'argument of {backend}', name, known)}")
        self._given = given

    def text(self, name: str, default: str | None = None) -> str | None:
        """The value as it was given."""
        return self._given.get(name, default)

    def number(self, name: str, default: float, low: float, high: float = float("inf")) -> float:
        """A number from ``low`` to ``high``."""
        value = self._given.get(name)
        if value is None:
            return default
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not low <= number <= high:
            raise self._bad(name, f"a number {_range(low, high)}")
        return number

    def integer(self, name: str, default: int, low: int, high: int | None = None) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self._given.get(name)
        if value is None:
            return default
        limit = float("inf") if high is None else high
        try:
            number = int(value)
        except ValueError:
            number = low - 1
        if not low <= number <= limit:
            raise self._bad(name, f"a whole number {_range(low, limit)}")
        return number

    def switch(self, name: str) -> bool | None:
        """``on`` or ``off``; None where it was not given."""
        value = self.choice(name, ("on", "off", "true", "false"))
        return None if value is None else value in ("on", "true")

    def choice(self, name: str, options: Sequence[str], default: str | None = None) -> str | None:
        """One of a closed set."""
        value = self._given.get(name, default)
        if value is not None and value not in options:
            raise self._bad(name, "one of " + ", ".join(options))
        return value

    def json_object(self, name: str) -> dict[str, Any]:
        """A JSON object; empty where it was not given."""
        try:
            data = parse(self._given.get(name, "{}"))
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise self._bad(name, 'a JSON object such as {"top_k": 1}')
        return data

    def _bad(self, name: str, expected: str) -> UsageError:
        return UsageError(f"--model-arg {name}={self._given[name]}: expected {expected}")


def _range(low: float, high: float) -> str:
    return f"of at least {low:g}" if high == float("inf") else f"from {low:g} to {high:g}"
