"""The 13a tokenizer of mteval-v13a, as sacrebleu has it, applied word by word."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache

from ehrbench.metrics._texts import Encoder, MatchCounts, Tokenize, by_word, pair_counter

ORDER = 4


def tokenizer_13a() -> Tokenize:
    """Return the 13a tokenizer.

    None of its rules looks past white space except the one that joins a word broken by a hyphen at a line's end, so a word's
    tokens are found once, by sacrebleu itself.
    """
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    split: Callable[[str], str] = TokenizerRegexp()  # type: ignore[no-untyped-call]

    def split_word(word: str) -> list[str]:
        if word.isalnum():
            return [word]
        if word[-1] in ".," and word[:-1].isalpha():
            return [word[:-1], word[-1]]
        return split(f" {word} ").split()

    tokenize = by_word(split_word)
    return lambda text: tokenize(_clean(text))


@lru_cache(maxsize=1)
def counter_13a() -> Callable[[Iterable[str], Iterable[str]], MatchCounts]:
    """Return the counter of n-grams, n = 1 to 4, of 13a tokens."""
    return pair_counter(Encoder(tokenizer_13a()), ORDER)


def _clean(text: str) -> str:
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    if "&" in text:
        text = text.replace("&quot;", '"').replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
    return text
