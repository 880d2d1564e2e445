"""Arguments of metrics: ``--metric-arg comet.checkpoint=PATH``, or the environment variable ``EHRBENCH_COMET_CHECKPOINT``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from ehrbench.errors import UsageError, unknown_name

_CHECKPOINT = "folder, or hub id that the local hub cache holds"
_DEVICE = "cpu, cuda or cuda:N; the first GPU where there is one"
_BATCH = "texts or pairs encoded at once"
_ENCODER = "folder with the encoder's configuration and tokenizer, in place of the one that the checkpoint names"

ARGUMENTS: dict[str, dict[str, str]] = {
    "bertscore": {
        "checkpoint": _CHECKPOINT,
        "layer": "the layer whose states are compared, from 1",
        "device": _DEVICE,
        "batch": _BATCH,
        "dtype": "float32 or bfloat16",
        "engine": "ehrbench (default), or bert-score: the library itself",
        "rescale": "on: against the baseline of the checkpoint, so that scores spread over 0 to 1",
        "baseline": "file of baselines (LAYER,P,R,F) for rescaling, in place of the library's",
    },
    "comet": {
        "checkpoint": _CHECKPOINT,
        "encoder": _ENCODER,
        "source": "bm25, instruction or empty",
        "source_words": "longest piece of a record, in words",
        "device": _DEVICE,
        "batch": _BATCH,
    },
    "evaluate": {
        "folder": "folder that holds the metric's folder",
        "left_out": "in how many parts patients are left out for the interval of what is no mean (default 100); 0: none",
        "trust_remote_code": "on: run the metric's own Python code (--trust-remote-code)",
    },
    "bleurt": {"checkpoint": _CHECKPOINT, "device": _DEVICE, "batch": _BATCH},
    "lens": {"checkpoint": _CHECKPOINT, "encoder": _ENCODER, "device": _DEVICE, "batch": _BATCH},
    "unieval": {
        "checkpoint": _CHECKPOINT,
        "source": "bm25, instruction or empty",
        "source_words": "longest piece of a record, in words",
        "device": _DEVICE,
        "batch": _BATCH,
    },
}
"""Families of metrics and what each can be told; other families are plugins' and are passed on unread."""


def parse_arguments(pairs: Iterable[str], *, trust_remote_code: bool = False) -> dict[str, str]:
    """Read ``family.name=value`` pairs.

    Args:
        pairs: as given.
        trust_remote_code: whether metrics that are other people's scripts may run.

    Raises:
        UsageError: a pair has another form, or names an argument that its family does not have.
    """
    found = {"evaluate.trust_remote_code": "on"} if trust_remote_code else {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        family, dot, name = key.partition(".")
        if not (equals and dot and family and name):
            raise UsageError(f"--metric-arg '{pair}' is not metric.name=value (comet.checkpoint=PATH, for instance)")
        known = ARGUMENTS.get(family)
        if known is not None and name not in known:
            raise UsageError(f"--metric-arg: {unknown_name(f'argument of {family}', name, known)}")
        if known is None and not _is_metric(family):
            raise UsageError(f"--metric-arg: {unknown_name('metric with arguments', family, ARGUMENTS)}")
        found[key] = value
    return found


def _is_metric(name: str) -> bool:
    from ehrbench.metrics import METRICS

    return name in METRICS


class Settings:
    """One family's arguments, from the command line first and then from the environment."""

    def __init__(self, family: str, given: Mapping[str, str]) -> None:
        self.family = family
        self._given = given

    def text(self, name: str) -> str | None:
        """The argument's value, or None."""
        return (
            self._given.get(f"{self.family}.{name}") or os.environ.get(f"EHRBENCH_{self.family.upper()}_{name.upper()}") or None
        )

    def number(self, name: str, default: int) -> int:
        """The argument as a whole number of at least 1."""
        value = self.text(name)
        if value is None:
            return default
        if not value.isdigit() or int(value) < 1:
            raise UsageError(f"{self.family}.{name} is '{value}': expected a whole number of at least 1")
        return int(value)

    def choice(self, name: str, legal: tuple[str, ...]) -> str:
        """The argument as one of a closed set, whose first is the default."""
        value = self.text(name) or legal[0]
        if value not in legal:
            raise UsageError(f"{self.family}.{name} is '{value}': expected {', '.join(legal)}")
        return value
