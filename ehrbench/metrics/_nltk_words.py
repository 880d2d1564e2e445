"""NLTK 3.10's ``word_tokenize``, with the tokens of plain words remembered: NLTK spends a quarter of a millisecond a sentence.

Sentences are split with the classic English Punkt model, which this package carries and NLTK does not, so that the tokens do not
depend on what data a machine has.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain

from ehrbench.metrics._texts import Memo
from ehrbench.metrics._treebank import sentence_splitter

_QUOTES = frozenset("`'\"«»“”‘’„")
_CLOSERS = frozenset("])}>\"'»”’")
_ODD_SPACES = "\x1c\x1d\x1e\x1f"
"""White space to Python and not to NLTK's patterns."""
_NOT_ALONE = re.compile(r"\.\.|--|[:,][:,]")
"""Marks whose rules look at one another."""
_TOKEN = re.compile(
    r"[;@#$%&?!*\[\](){}<>\u2012-\u2015]|[:,](?!\d)|(?:[^;@#$%&?!*\[\](){}<>\u2012-\u2015:,]|[:,](?=\d))+", re.UNICODE
)
_CONTRACTIONS = ("cannot", "gimme", "gonna", "gotta", "lemme", "wanna")


def word_tokenizer() -> Callable[[str], list[str]]:
    """Return a function from a text to its tokens."""
    from ehrbench.metrics._punkt import SentenceSplitter, english

    split = SentenceSplitter(english()).split
    tokenize = sentence_tokenizer()

    def tokens(text: str) -> list[str]:
        if not any(mark in text for mark in ".?!"):
            return tokenize(text.rstrip())
        return [token for sentence in split(text) for token in tokenize(sentence)]

    return tokens


def sentence_tokenizer() -> Callable[[str], list[str]]:
    """Return a function as NLTK's ``NLTKWordTokenizer().tokenize``, going word by word where no rule can look past a word.

    Rules that look further are those for quotes (except inside a word, as in "patient's") and for a period that only closing
    marks follow: such sentences go through the rules whole.
    """
    whole = sentence_splitter("3.10")
    inner = Memo(lambda word: _split(word, False, whole)).__getitem__
    final = Memo(lambda word: _split(word, True, whole)).__getitem__

    def tokenize(sentence: str) -> list[str]:
        words = sentence.split()
        if not words:
            return []
        if any(space in sentence for space in _ODD_SPACES):
            return whole(sentence)
        parts: list[list[str] | None] = list(map(inner, words[:-1]))
        parts.append(final(words[-1]))
        if None in parts:
            return whole(sentence)
        return list(chain.from_iterable(parts))  # type: ignore[arg-type]

    return tokenize


def _split(word: str, final: bool, whole: Callable[[str], list[str]]) -> list[str] | None:
    """Tokens of a word within (or at the end of) a sentence; None where they depend on its neighbours."""
    if final and _CLOSERS.issuperset(word):
        return None
    if not _QUOTES.isdisjoint(word):
        before, quote, after = word.partition("'")
        if quote != "'" or not (before.isalpha() and after.isalpha()):
            return None
    elif not (_NOT_ALONE.search(word) or any(contraction in word.lower() for contraction in _CONTRACTIONS)):
        if not final or word[-1].isalnum() or "." not in word:
            return _TOKEN.findall(word)
        if word[-1] == "." and word[:-1].isalnum():
            return [word[:-1], "."]
    return whole(f"x {word}")[1:] if final else whole(f"x {word} x")[1:-1]
