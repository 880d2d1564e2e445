"""Clean-ups of a model's answer: small named steps that a task file lists in order.

A step takes the text so far and the item, and returns the cleaner text, or None when it finds no answer in it (the item is
then ``unparsed``). Every step leaves a text that has nothing to clean as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from ehrbench.readers.item import Item
from ehrbench.registry import Registry

CleanUp = Callable[[str, Item], "str | None"]

_FENCE = re.compile(r"\s*(?P<mark>`{3,}|~{3,})[^\n`]*\n")
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»", "「": "」"}


def strip(text: str, item: Item) -> str | None:
    """Without white space at both ends."""
    return text.strip()


def strip_thinking(text: str, item: Item) -> str | None:
    """Without a thinking block that a backend left in the answer (answers made elsewhere and replayed).

    A block that never ends holds no answer: None.
    """
    from ehrbench.models.thinking import split

    found = split(text)
    return found.answer if found.closed else None


def strip_after_thinking(text: str, item: Item) -> str | None:
    """Without a thinking block and the white space around what follows it; a text without one stays as it is.

    EHR-Bench's authors strip an answer only where they have cut thinking off it (protocol page, 4.1).
    """
    answer = strip_thinking(text, item)
    return answer if answer is None or answer == text else answer.strip()


def first_line(text: str, item: Item) -> str | None:
    """The first line that is not blank; empty when there is none."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def lower(text: str, item: Item) -> str | None:
    """In lower case."""
    return text.lower()


def strip_quotes(text: str, item: Item) -> str | None:
    """Without one pair of quotation marks around the whole."""
    inner = text.strip()
    if len(inner) >= 2 and _QUOTES.get(inner[0]) == inner[-1]:
        middle = inner[1:-1]
        if inner[0] not in middle and inner[-1] not in middle:
            return middle.strip()
    return text


def strip_code_fence(text: str, item: Item) -> str | None:
    """Without a Markdown code fence around the whole; one that is never closed (a cut answer) counts too."""
    opening = _FENCE.match(text)
    if not opening:
        return text
    body = text[opening.end() :].rstrip()
    lines = body.split("\n")
    closing = [index for index, line in enumerate(lines) if line.strip() == opening["mark"]]
    if closing and closing != [len(lines) - 1]:
        return text  # a fenced piece, then more
    return "\n".join(lines[:-1]) if closing else body


ANSWERS: Registry[CleanUp] = Registry(
    "answer clean-up",
    {
        "strip": "ehrbench.tasks.answers:strip",
        "strip_thinking": "ehrbench.tasks.answers:strip_thinking",
        "strip_after_thinking": "ehrbench.tasks.answers:strip_after_thinking",
        "first_line": "ehrbench.tasks.answers:first_line",
        "lower": "ehrbench.tasks.answers:lower",
        "strip_quotes": "ehrbench.tasks.answers:strip_quotes",
        "strip_code_fence": "ehrbench.tasks.answers:strip_code_fence",
    },
    "ehrbench.answers",
)


def clean(text: str, item: Item, steps: Sequence[str]) -> str | None:
    """Apply named steps in order; None as soon as one finds no answer."""
    for step in steps:
        cleaned = ANSWERS.get(step)(text, item)
        if cleaned is None:
            return None
        text = cleaned
    return text
