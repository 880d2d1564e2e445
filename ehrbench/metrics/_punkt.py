"""Sentences as NLTK 3.8 and 3.9 split them with the classic English Punkt model (Kiss and Strunk 2006).

NLTK 3.10 also ends sentences at typographic quotes, which changes BLEU; and NLTK carries no model. The model's parameters are in
``punkt_english.json`` beside this file (its ``about`` says where they are from).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

REMEMBERED = 1 << 16
"""Decisions about a full stop and its neighbours that are remembered."""

_OTHER_END = r"""[)";}\]*:@'({\[!?]"""
"""What a word ends before, beside white space and the full stop's own rules."""
_MARKS = r"(?:-{2,}|\.{2,}|(?:\.\s){2,}\.)"
_CANDIDATE = re.compile(rf"[.?!](?=(?P<after>{_OTHER_END}|\s+(?P<next>\S+)))")
_WORDS = re.compile(
    rf"""{_MARKS}|(?=[^("`{{\[:;&#*@)}}\]\-,])\S+?(?=\s|$|{_OTHER_END}|{_MARKS}|,(?=$|\s|{_OTHER_END}|{_MARKS}))|\S"""
)
_CLOSING = re.compile(r"""["')\]}]+?(?:\s+|(?=--)|$)""", re.MULTILINE)
_BLANKS = " \t\n\r\x0b\x0c"

_ELLIPSIS = re.compile(r"\.\.+$")
_NUMBER = re.compile(r"^-?[.,]?\d[\d,.-]*\.?$")
_INITIAL = re.compile(r"[^\W\d]\.$")
_PUNCTUATION = frozenset(";:,.!?")

# How a word was seen in training, as bits: at the start of a sentence, inside one, or at an unknown place; upper or lower case.
_BEGIN_UPPER, _MIDDLE_UPPER, _UNKNOWN_UPPER, _BEGIN_LOWER, _MIDDLE_LOWER, _UNKNOWN_LOWER = (1 << bit for bit in range(1, 7))
_UPPER = _BEGIN_UPPER | _MIDDLE_UPPER | _UNKNOWN_UPPER
_LOWER = _BEGIN_LOWER | _MIDDLE_LOWER | _UNKNOWN_LOWER


class Parameters(NamedTuple):
    """What the model learned from its corpus."""

    abbreviations: frozenset[str]
    collocations: frozenset[tuple[str, str]]
    """Pairs of types that a full stop does not part."""
    starters: frozenset[str]
    contexts: Mapping[str, int]


@lru_cache(maxsize=1)
def english() -> Parameters:
    """The classic English model; read once."""
    stored = json.loads((Path(__file__).parent / "punkt_english.json").read_text(encoding="utf-8"))
    return Parameters(
        abbreviations=frozenset([*stored["abbreviations"].split(), *stored["odd_abbreviations"]]),
        collocations=frozenset((first, second) for first, second in stored["collocations"]),
        starters=frozenset(stored["starters"].split()),
        contexts={word: int(bits) for bits, words in stored["contexts"].items() for word in words.split()},
    )


class _Token:
    """A word of a context, with what the first pass decides from the word alone."""

    __slots__ = ("abbreviation", "breaks", "ellipsis", "text", "type")

    def __init__(self, text: str, abbreviations: frozenset[str]) -> None:
        self.text = text
        self.type = _NUMBER.sub("##number##", text.lower())
        self.abbreviation = self.ellipsis = False
        self.breaks = text in (".", "?", "!")
        if self.breaks:
            return
        if _ELLIPSIS.match(text):
            self.ellipsis = True
        elif text.endswith(".") and not text.endswith(".."):
            stem = text[:-1].lower()
            self.abbreviation = stem in abbreviations or stem.split("-")[-1] in abbreviations
            self.breaks = not self.abbreviation

    def stem(self) -> str:
        """The type without a final full stop."""
        return self.type[:-1] if len(self.type) > 1 and self.type.endswith(".") else self.type

    def type_in_sentence(self) -> str:
        """The type without the full stop that ends a sentence."""
        return self.stem() if self.breaks else self.type


def _starts_sentence(token: _Token, contexts: Mapping[str, int]) -> bool | None:
    """Whether the word's case shows that it starts a sentence; None: it does not say."""
    if token.text in _PUNCTUATION:
        return False
    seen = contexts.get(token.type_in_sentence(), 0)
    if token.text[0].isupper() and seen & _LOWER and not seen & _MIDDLE_UPPER:
        return True
    if token.text[0].islower() and (seen & _UPPER or not seen & _BEGIN_LOWER):
        return False
    return None


def _breaks_before(token: _Token, after: _Token, model: Parameters) -> bool:
    """Whether a sentence ends with a token, in the light of the next one (the second pass)."""
    if not token.text.endswith("."):
        return token.breaks
    stem, next_type = token.stem(), after.type_in_sentence()
    initial = bool(_INITIAL.match(token.text))
    if (stem, next_type) in model.collocations:
        return False
    starts = _starts_sentence(after, model.contexts)
    breaks, abbreviation = token.breaks, token.abbreviation
    if (abbreviation or token.ellipsis) and not initial:
        return starts is True or (after.text[0].isupper() and next_type in model.starters) or breaks
    if initial or stem == "##number##":
        if starts is False:
            return False
        if starts is None and initial and after.text[0].isupper() and not model.contexts.get(next_type, 0) & _LOWER:
            return False
    return breaks


def _has_break(context: str, model: Parameters) -> bool:
    tokens = [_Token(word, model.abbreviations) for line in context.split("\n") if line.strip() for word in _WORDS.findall(line)]
    return any(_breaks_before(token, after, model) for token, after in zip(tokens, tokens[1:], strict=False))


class SentenceSplitter:
    """Splits texts with one model; a decision about a full stop and its two neighbours is made once."""

    def __init__(self, model: Parameters) -> None:
        self._breaks = lru_cache(REMEMBERED)(lambda context: _has_break(context, model))

    def split(self, text: str) -> list[str]:
        """The sentences, with the white space within them."""
        return [text[start:end] for start, end in self._realigned(text)]

    def _slices(self, text: str) -> Iterator[tuple[int, int]]:
        start = 0
        for match, context in _contexts(text):
            if self._breaks(context):
                yield start, match.end()
                start = match.start("next") if match["next"] else match.end()
        yield start, len(text.rstrip())

    def _realigned(self, text: str) -> Iterator[tuple[int, int]]:
        """Give closing quotes and brackets to the sentence that they follow."""
        slices = list(self._slices(text))
        moved = 0
        for i, (start, end) in enumerate(slices):
            start += moved
            moved = 0
            if i + 1 < len(slices):
                follows = slices[i + 1]
                closing = _CLOSING.match(text[follows[0] : follows[1]])
                if closing:
                    yield start, follows[0] + len(closing[0].rstrip())
                    moved = closing.end()
                    continue
            if text[start:end]:
                yield start, end


def _contexts(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Possible ends of sentences with the word before and after; of several in one word, the last."""
    match_before: re.Match[str] | None = None
    start_before = end_before = 0
    for match in _CANDIDATE.finditer(text):
        between = text[end_before : match.start()]
        blank = max(map(between.rfind, _BLANKS))
        # A blank in the first place is not seen, in NLTK as here.
        start = end_before + blank + 1 if blank > 0 else start_before
        if match_before and end_before <= start:
            yield match_before, text[start_before:end_before] + match_before[0] + match_before["after"]
        match_before, start_before, end_before = match, start, match.start()
    if match_before:
        yield match_before, text[start_before:end_before] + match_before[0] + match_before["after"]
