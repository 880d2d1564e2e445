"""Which markers a model puts round its thinking: read from its chat template and tokenizer, or named by the user."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ehrbench.errors import UsageError
from ehrbench.models.thinking import TAGS, Tags

_NAME = r"[\w:.-]*(?:think|thought|reason)[\w:.-]*"
_FORMS = (
    rf"<({_NAME})>",  # <thought> … </thought>
    rf"\[({_NAME})\]",  # [THINK] … [/THINK]
    rf"◁({_NAME})▷",  # ◁think▷ … ◁/think▷
    rf"<\|({_NAME})\|>",  # <|begin_of_thought|> … <|end_of_thought|>
    r"<\|(\w+)>(?:think\w*|thought|reasoning)",  # <|channel>thought … <channel|>
)
_OPENING = re.compile("|".join(f"(?:{form})" for form in _FORMS), re.IGNORECASE)
_ENDS = {"start": "end", "begin": "end", "open": "close", "bo": "eo"}
_PAIR = re.compile(r"(?<![a-z])(start|begin|open|bo)(?![a-z])", re.IGNORECASE)


def find_tags(template: str | None, config: Mapping[str, Any], tokens: Iterable[str]) -> tuple[Tags, ...]:
    """The markers that a checkpoint shows, before those that are always known.

    Args:
        template: the source of its chat template.
        config: ``tokenizer_config.json``, whose ``response_schema`` may hold patterns of answers.
        tokens: the texts of its added tokens.
    """
    schema = json.dumps(config.get("response_schema") or "", ensure_ascii=False).replace("\\", "")
    places = (template or "", schema, *tokens)
    found: dict[Tags, None] = {}
    for place in places:
        for match in _OPENING.finditer(place):
            opening = match.group()
            if _is_closing(opening):
                continue
            found.setdefault(Tags(opening, closing_of(opening)))
    return tuple(dict.fromkeys((*found, *TAGS)))


def closing_of(opening: str) -> str:
    """The marker that mirrors an opening one."""
    if channel := re.fullmatch(r"<\|(\w+)>.*", opening, re.DOTALL):
        return f"<{channel[1]}|>"
    if opening.startswith("<|") and (pair := _PAIR.search(opening)):
        word = _ENDS[pair[1].lower()]
        return opening[: pair.start()] + (word.upper() if pair[1].isupper() else word) + opening[pair.end() :]
    return re.sub(r"^(<\|?|\[|◁)", r"\1/", opening)


def read_tags(text: str) -> Tags:
    """A pair that the user names: ``<thought>,</thought>``, or the opening marker alone where the closing one mirrors it.

    Raises:
        UsageError: neither.
    """
    opening, comma, closing = (part.strip() for part in text.partition(","))
    if not opening or (comma and not closing) or opening == closing:
        raise UsageError(f"--model-arg think_tags={text}: expected the two markers around the thinking, as <thought>,</thought>")
    return Tags(opening, closing or closing_of(opening))


def _is_closing(marker: str) -> bool:
    return bool(re.match(r"(<\|?|\[|◁)/", marker)) or bool(re.search(r"(?<![a-z])(end|close|eo)(?![a-z])", marker, re.IGNORECASE))
