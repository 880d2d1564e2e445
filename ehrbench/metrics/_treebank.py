"""Words as NLTK splits them in ``word_tokenize``: as its 3.8 does, on which the published BLEU rests, and as its 3.10 does.

3.10 parts dashes from words and reads ``n'`` otherwise; 3.9 differs from 3.8 only where a white space other than a blank follows
a clitic. The rules and their order are NLTK's (Apache-2.0), which has them from Robert MacIntyre's sed script.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import chain
from typing import Literal

Version = Literal["3.8", "3.10"]
"""Of NLTK."""

REMEMBERED = 1 << 16
"""Runs between blanks whose words are remembered."""

_CLOSERS = frozenset("])}>\"'»”’")
_QUOTES = frozenset("`'\"«»“”‘’„")
_CONTRACTIONS = frozenset(("cannot", "gimme", "gonna", "gotta", "lemme", "wanna"))

_Rule = tuple[str, str]
"""Pattern and what takes its place."""

_OPENING_QUOTE: dict[Version, _Rule] = {
    "3.8": (r"(?i)(')(?!re|ve|ll|m|t|s|d|n)(\w)\b", r"\1 \2"),
    "3.10": (r"(?i)(?<!\w)(')(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)", r"\1 "),
}


def _before_padding(version: Version) -> list[_Rule]:
    """Opening quotes, then marks."""
    return [
        (r"([«“‘„]|[`]+)", r" \1 "),
        (r'^"', "``"),
        (r"(``)", r" \1 "),
        (r"""([ (\[{<])("|'{2})""", r"\1 `` "),
        _OPENING_QUOTE[version],
        # the full stop of a sentence, then other marks. The run of closers is taken whole: a shorter one never matches
        # where the whole does not, and would cost quadratic time.
        (r"""([^.])(\.)((?=([\])}>"'»”’ ]*))\4)\s*$""", r"\1 \2 \3 "),
        (r"([:,])([^\d])", r" \1 \2"),
        (r"([:,])$", r" \1 "),
        (r"\.{2,}", r" \g<0> "),
        (r"[;@#$%&]", r" \g<0> "),
        *([(r"[\u2012-\u2015]", r" \g<0> ")] if version == "3.10" else []),
        (r"""([^.])(\.)([\])}>"']*)\s*$""", r"\1 \2\3 "),
        (r"[?!]", r" \g<0> "),
        (r"([^'])' ", r"\1 ' "),
        (r"[*]", r" \g<0> "),
        (r"[\]\[(){}<>]", r" \g<0> "),
        (r"--", " -- "),
    ]


def _closing_quotes(version: Version) -> list[_Rule]:
    """After padding: closing quotes and clitics."""
    return [
        (r"([»”’])", r" \1 "),
        (r"''", " '' "),
        (r'"', " '' "),
        *([(r"\s+", " ")] if version == "3.10" else []),
        (r"([^' ])('[sS]|'[mM]|'[dD]|') ", r"\1 \2 "),
        (r"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", r"\1 \2 "),
    ]


_CONTRACTED: list[_Rule] = [
    *(
        (rf"(?i)\b{first}{second}", r" \1 \2 ")
        for first, second in (
            ("(can)", r"(not)\b"),
            ("(d)", r"('ye)\b"),
            ("(gim)", r"(me)\b"),
            ("(gon)", r"(na)\b"),
            ("(got)", r"(ta)\b"),
            ("(lem)", r"(me)\b"),
            ("(more)", r"('n)\b"),
            ("(wan)", r"(na)(?=\s)"),
        )
    ),
    (r"(?i) ('t)(is)\b", r" \1 \2 "),
    (r"(?i) ('t)(was)\b", r" \1 \2 "),
]


def _regex_compile() -> Callable[[str], re.Pattern[str]]:
    """NLTK since 3.10 matches with the package regex, to which other characters are letters, digits and spaces than to ``re``."""
    import regex

    compile: Callable[[str], re.Pattern[str]] = regex.compile
    return compile


@lru_cache(maxsize=2)
def sentence_splitter(version: Version) -> Callable[[str], list[str]]:
    """Return a function from one sentence to its words and marks, which applies rule by rule."""
    compile = re.compile if version == "3.8" else _regex_compile()
    before = [(compile(pattern), replacement) for pattern, replacement in _before_padding(version)]
    after = [(compile(pattern), replacement) for pattern, replacement in _closing_quotes(version)]
    after += [(re.compile(pattern), replacement) for pattern, replacement in _CONTRACTED]

    def split(sentence: str) -> list[str]:
        text = sentence
        for pattern, replacement in before:
            text = pattern.sub(replacement, text)
        text = f" {text} "
        for pattern, replacement in after:
            text = pattern.sub(replacement, text)
        return text.split()

    return split


def split_words(sentence: str) -> list[str]:
    """Words and marks of one sentence, as NLTK 3.8 splits them."""
    return sentence_splitter("3.8")(sentence)


def _plain(run: str, marks: str) -> list[str]:
    """Tokens of letters and digits with or without one of the marks after them, to which no rule does more; else nothing."""
    word, mark = (run[:-1], [run[-1]]) if run[-1] in marks else (run, [])
    return [word, *mark] if word.isalnum() and word.lower() not in _CONTRACTIONS else []


def word_splitter() -> Callable[[str], list[str]]:
    """Return ``split_words``, remembering each run between blanks.

    No rule looks across a blank, except that quotes are read otherwise at the start of a sentence, and that a full stop is split
    off where only closing marks follow it: such sentences go through the rules whole.
    """
    inner = lru_cache(REMEMBERED)(lambda run: _plain(run, ",") or split_words(f"x {run} x")[1:-1])
    alone = lru_cache(REMEMBERED)(split_words)
    final = lru_cache(REMEMBERED)(lambda run: _plain(run, ",.") or split_words(f"x {run}")[1:])

    def split(sentence: str) -> list[str]:
        runs = [run for run in sentence.split(" ") if run]
        if len(runs) < 2:
            return alone(sentence)
        if not _QUOTES.isdisjoint(runs[0]) or _CLOSERS.issuperset(runs[-1].strip()) or sentence[-1].isspace():
            return split_words(sentence)
        return [*chain.from_iterable(map(inner, runs[:-1])), *final(runs[-1])]

    return split


@lru_cache(maxsize=1)
def english_words() -> Callable[[str], list[str]]:
    """Return NLTK 3.8's ``word_tokenize``: sentences by the classic English Punkt model, then words."""
    from ehrbench.metrics._punkt import SentenceSplitter, english

    sentences, words = SentenceSplitter(english()), word_splitter()

    def tokens(text: str) -> list[str]:
        if not any(mark in text for mark in ".?!"):
            return words(text.rstrip())
        return [token for sentence in sentences.split(text) for token in words(sentence)]

    return tokens
