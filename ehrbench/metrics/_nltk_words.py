"""NLTK's ``word_tokenize``, with the tokens of plain words remembered: NLTK spends a quarter of a millisecond a sentence.

``word_tokenize`` splits sentences with the English Punkt model first, which is data that NLTK does not carry. Where the model is
not installed, Punkt runs without its lists (of abbreviations, mainly): "Dr." then ends a sentence and becomes two tokens. Which
of the two it was is part of METEOR's signature.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain
from typing import Any

from ehrbench.metrics import _nltk_data
from ehrbench.metrics._texts import Memo

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


def sentence_rule() -> str:
    """Which sentence splitter this machine has: ``punkt-english`` or ``punkt-untrained``."""
    return "punkt-english" if _nltk_data.find("tokenizers/punkt_tab") else "punkt-untrained"


def word_tokenizer(rule: str) -> Callable[[str], list[str]]:
    """Return a function from a text to its tokens, equal to NLTK's ``word_tokenize`` under the sentence rule."""
    from nltk.tokenize.punkt import PunktSentenceTokenizer, PunktTokenizer

    punkt = quicken(PunktTokenizer("english") if rule == "punkt-english" else PunktSentenceTokenizer())
    tokenize = sentence_tokenizer()

    def tokens(text: str) -> list[str]:
        if not any(mark in text for mark in ".?!"):
            return tokenize(text.rstrip())
        return [token for sentence in punkt.tokenize(text) for token in tokenize(sentence)]

    return tokens


def quicken(punkt: Any) -> Any:
    """Let a Punkt tokeniser decide the plain case at once: a word of letters, a period, white space, a word of letters.

    Such a period ends the sentence unless the word is a known abbreviation or the two are a known collocation.
    """
    decide: Callable[[str], bool] = punkt.text_contains_sentbreak
    abbreviations, collocations = punkt._params.abbrev_types, punkt._params.collocations

    def text_contains_sentbreak(context: str) -> bool:
        word, _, after = context.partition(".")
        following = after.lstrip()
        if len(word) > 1 and word.isalpha() and len(following) < len(after) and following.isalpha():
            word, following = word.lower(), following.lower()
            if word not in abbreviations and (word, following) not in collocations:
                return True
        return decide(context)

    punkt.text_contains_sentbreak = text_contains_sentbreak
    return punkt


def sentence_tokenizer() -> Callable[[str], list[str]]:
    """Return ``NLTKWordTokenizer().tokenize``, going word by word where no rule can look past a word.

    Rules that look further are those for quotes (except inside a word, as in "patient's") and for a period that only closing
    marks follow: such sentences go to NLTK whole.
    """
    from nltk.tokenize.destructive import NLTKWordTokenizer

    whole: Callable[[str], list[str]] = NLTKWordTokenizer().tokenize
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
