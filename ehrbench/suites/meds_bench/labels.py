"""Which pairs of MedNLI's generative file are entailments: by their own key, or from the discriminative file beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ehrbench.errors import UsageError

_PAIR = re.compile(r"\s*Sentence1:(.*?)\n\s*Sentence2:(.*)", re.DOTALL)


def labels_of(
    path: Path, instances: Sequence[Mapping[str, Any]], other: Sequence[Mapping[str, Any]] | None, other_name: str
) -> list[str]:
    """The label of each instance, in lower case.

    Args:
        path: the file, for messages.
        instances: with a key ``label``, or a premise as input and a hypothesis as output.
        other: instances whose input is ``Sentence1: …`` and ``Sentence2: …`` and whose output is the label; None: there are none.
        other_name: their file's name, for messages.

    Raises:
        UsageError: an instance has no label and none can be found for it.
    """
    if any("label" in instance for instance in instances):
        return [str(instance.get("label", "")).casefold() for instance in instances]
    if other is None:
        raise UsageError(
            f"{path}: no instance names its label, and {other_name or 'a file of labels'} is not there; place it beside the "
            "file, or build both with `ehrbench data prepare meds_bench`"
        )
    known = {}
    for instance in other:
        match = _PAIR.match(_text(instance.get("input")))
        if match:
            known[_words(match[1]), _words(match[2])] = _text(instance.get("output")).strip().casefold()
    found = []
    for index, instance in enumerate(instances):
        label = known.get((_words(_text(instance.get("input"))), _words(_text(instance.get("output")))))
        if label is None:
            raise UsageError(f"{path}: instance {index} is not a pair of {other_name}, so its label is not known")
        found.append(label)
    return found


def _text(value: object) -> str:
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else ""


def _words(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(". ")
