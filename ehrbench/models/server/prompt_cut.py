"""Noticing that a server read less of a prompt than it was sent: some cut what is longer than their window and say nothing.

Others count only the tokens that they did not have in their cache, and say that nowhere either. So a small count is held against
what else the server has counted, a prompt of this length or another, and at last one call is made a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ehrbench.models.protocol import Message, Tokenizer
from ehrbench.models.server.reply import TokenCounts

_MOST_CHARACTERS_PER_TOKEN = 8
"""Blanks not counted; long texts have three or four, and no vocabulary comes near this many."""
_LEAST_SHARE = 0.9
_SLACK_TOKENS = 32
"""What two versions of one tokenizer may differ by."""
_SMALLEST_WINDOW = 256
"""No server has a smaller one."""
_ABOUT_A_WINDOW = 0.9
"""A cut prompt fills the window; a count below this share of another is not the window's."""

Reading = Literal["whole", "uncached", "cut", "unclear"]
"""How much of a prompt was read: all; all, but what was cached is not counted; a part; a part or uncached."""


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


def counted(usage: TokenCounts) -> int:
    """Prompt tokens that a server says it read, those from its cache included where it names them apart."""
    return (usage.prompt_tokens or 0) + (usage.cached_tokens or 0)


class CountReader:
    """What one server's counts of prompt tokens mean, as far as its replies have shown."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self.largest = 0
        """The most tokens that it counted of one prompt: its window is no smaller."""
        self.counts_uncached: bool | None = None
        """Whether asking the same again was counted as fewer tokens; None: not asked."""

    def read(self, usage: TokenCounts, least: int) -> Reading:
        """What a count means for a prompt that has ``least`` tokens or more."""
        n = counted(usage)
        known = self.largest
        self.largest = max(known, n)
        if not usage.prompt_tokens or n >= least:
            return "whole"
        if known >= least or n < max(_SMALLEST_WINDOW, _ABOUT_A_WINDOW * known):
            return "uncached"
        if self.counts_uncached is None:
            return "unclear"
        return "uncached" if self.counts_uncached else "cut"

    def learn(self, first: TokenCounts, again: TokenCounts) -> None:
        """Settle it, from the counts of one call that was made twice: a server that cuts counts the same again."""
        self.counts_uncached = 0 <= counted(again) < _ABOUT_A_WINDOW * counted(first)
