"""Noticing that a server read less of a prompt than it was sent: some cut what is longer than their window and say nothing."""

from __future__ import annotations

from collections.abc import Sequence

from ehrbench.models.protocol import Message, Tokenizer
from ehrbench.models.server.reply import Usage

_MOST_CHARACTERS_PER_TOKEN = 8
"""Blanks not counted; long texts have three or four, and no vocabulary comes near this many."""
_LEAST_SHARE = 0.9
_SLACK_TOKENS = 32
"""What two versions of one tokenizer may differ by."""


def least_tokens(messages: Sequence[Message], tokenizer: Tokenizer | None) -> int:
    """The fewest tokens that a server can have read of a prompt, if it read all of it.

    Args:
        messages: the prompt.
        tokenizer: the model's own where it is on this machine; without it only a cut to less than about half is noticed.
    """
    text = "\n".join(message.content for message in messages)
    if tokenizer is not None:
        return int(_LEAST_SHARE * tokenizer.count(text)) - _SLACK_TOKENS
    return (len(text) - text.count(" ") - text.count("\n")) // _MOST_CHARACTERS_PER_TOKEN


def is_cut(usage: Usage, least: int) -> bool:
    """Whether a server says that it read fewer tokens; some leave those out that they had in their cache."""
    return bool(usage.prompt_tokens) and (usage.prompt_tokens or 0) + (usage.cached_tokens or 0) < least
