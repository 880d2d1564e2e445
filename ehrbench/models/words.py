"""The tokenizer ``words``: a word or a mark of punctuation is one token. For baselines, and for budgets without a checkpoint."""

from __future__ import annotations

import re
from zlib import crc32

from ehrbench.hashing import hash_text
from ehrbench.models.protocol import Tokens

_PATTERN = r"\w+|[^\w\s]"
_TOKEN = re.compile(_PATTERN)


class WordTokenizer:
    """Splits at whitespace and before and after punctuation; needs no files."""

    name = "words"
    fingerprint = hash_text(f"words 1 {_PATTERN}")

    def encode(self, text: str) -> Tokens:
        """Tokenise ``text``; an id is the CRC-32 of the token, since a vocabulary without end has no numbering."""
        matches = list(_TOKEN.finditer(text))
        return Tokens(
            [crc32(match.group().encode("utf-8", "surrogatepass")) for match in matches], [match.start() for match in matches]
        )

    def count(self, text: str) -> int:
        """How many tokens ``text`` has."""
        return len(_TOKEN.findall(text))


WORDS = WordTokenizer()
"""The one there is."""
