"""Model profiles: how a paper's authors run their own model, as defaults for ``ehrbench run``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ehrbench.errors import UsageError, unknown_name

_FOLDER = Path(__file__).parent
OPTIONS = (
    "context",
    "keep",
    "max_model_len",
    "chunk_tokens",
    "max_tokens",
    "max_reasoning_tokens",
    "temperature",
    "top_p",
    "prompt",
)
"""The options of ``ehrbench run`` that a profile may set."""


class Profile(NamedTuple):
    """Defaults that a user's own arguments override."""

    name: str
    title: str
    options: Mapping[str, Any]
    model_args: Mapping[str, str]


def profile_names() -> list[str]:
    """Every shipped profile."""
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def load_profile(name: str) -> Profile:
    """A profile by name.

    Raises:
        UsageError: no such profile, or one that sets what a profile may not.
    """
    import yaml

    if name not in profile_names():
        raise UsageError(unknown_name("model profile", name, profile_names()))
    data = yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    for option in data["options"]:
        if option not in OPTIONS:
            raise UsageError(f"model profile '{name}': " + unknown_name("option", option, OPTIONS))
    return Profile(name, data["title"], data["options"], {key: str(value) for key, value in data["model_args"].items()})


def with_profile(
    given: Mapping[str, Any], model_args: Mapping[str, str], profile: Profile
) -> tuple[dict[str, Any], dict[str, str]]:
    """The user's arguments, with the profile's in place of those that were not given."""
    options = dict(given)
    for name, value in profile.options.items():
        if options.get(name) is None or (name == "prompt" and options[name] == "default"):
            options[name] = value
    return options, {**profile.model_args, **model_args}
