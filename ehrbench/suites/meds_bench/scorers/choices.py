"""Answers to multiple-choice questions in the release's six languages: chosen letters, or yes, no, maybe, true, false.

``None`` means that no answer can be found. A text in the form of its own result ("B", "A, C", "yes") is read as that.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from ehrbench.suites.meds_bench.scorers.labels import LabelSet, named_labels

_CYRILLIC = str.maketrans("АВСЕ", "ABCE")
"""Cyrillic letters that look like the options' Latin ones."""
_MARKUP = re.compile(r"\\(?:boxed|text(?:bf)?|mathbf|mathrm)\s*\{([^{}]*)\}|[*_`$]")

_RIGHT = r"(?:correct|right|best|bonnes?|correctas?|mejor|правильн\w+|верн\w+)"
_OPTION = r"(?:options?|choices?|letters?|opci[óo]n(?:es)?|letras?|lettres?|вариант\w*|буква)"
_ANSWER_CUE = (
    rf"(?:answers?|r[ée]ponses?|respuestas?|ответ\w*|答案|应选|故选|答え|正解|解答|回答|{_RIGHT} {_OPTION}|{_OPTION} {_RIGHT})"
)
_OTHER_CUE = (
    rf"(?:{_OPTION}|choose|select|选项|選択肢|选择|选|therefore,?|thus,?|hence,?|因此|所以|donc|por lo tanto|следовательно,?)"
)
_COPULA = r"(?:\b(?:is|are|be|est|sont|es|son|это)\b|[:=—–-]|是|为|為|は|が)"
_FILLER = r"(?:\b(?:the|letter|option|choice|la|le|les|las|los|lettre|letra|opci[óo]n|option|вариант|буква)\b|选项|選択肢)"
_OPENING = r"[\s:=\"'«“「『(\[{—–-]*"
_JOIN = r"(?:[,;/&+、，及和と]|\b(?:and|or|et|ou|y|o|и|или)\b|或|または)"
_LETTER = "[A-JАВСЕ]"
_NO_WORD = r"(?![A-Za-zА-Яа-яÀ-ÿ0-9])"
_AS_ARTICLE = r"(?!\s+(?!(?:because|since|as|which|is|and|or|for|due|given|car|parce|et|ou|porque|ya|pues|y|o|и|или)\b)[a-zà-ÿ])"
"""After a letter that may be a word: not the article of what follows."""
_SEVERAL = rf"{_LETTER}(?:\)?\s*{_JOIN}\s*(?:{_JOIN}\s*)?\(?{_LETTER}{_NO_WORD})+|{_LETTER}{{1,10}}{_NO_WORD}{_AS_ARTICLE}"
_LOWER = r"[a-j](?=\s*(?:[).:\]]|$))"

_AFTER = rf"(?:[^.\n:：。]{{0,40}}?(?i:{_COPULA}))?\s*:?\s*(?:(?i:{_FILLER})\s*)?{_OPENING}(?P<letters>{_SEVERAL}|{_LOWER})"
_AFTER_ANSWER = re.compile(rf"(?i:{_ANSWER_CUE}){_AFTER}")
_AFTER_OTHER = re.compile(rf"(?i:{_OTHER_CUE}){_AFTER}")
_IS_RIGHT = re.compile(
    rf"(?<![A-Za-z0-9])(?P<letters>{_LETTER})[)\]]?\s+(?:is|est|es)\s+(?:the\s+|la\s+)?{_RIGHT}\b(?!\s+(?:only|in part))"
)
_LEADING = re.compile(rf"[\s\"'«“「(\[{{]*(?P<letters>{_SEVERAL}|{_LOWER})[)\]}}\"'»”」]*\s*(?:[.:：、,，;)\]–—。-]|です|$|\n)")
_OPTION_LINE = re.compile(rf"(?:^|[\n\t])\s*\(?({_LETTER})\s*[).:：]")
_BRACKETED = re.compile(rf"\(({_LETTER})\)|(?:^|\n)\s*({_LETTER})(?:[).:]|\s*$)")
_NEXT = re.compile(rf"[,、，;]\s*({_LETTER})\s*[:：]")


_SPACES = re.compile(r"\s+")


def _plain(text: str) -> str:
    plain = unicodedata.normalize("NFKC", text)
    for _ in range(3):  # \boxed{\text{B}}
        plain = _MARKUP.sub(lambda match: match[1] or "", plain)
    return _SPACES.sub(lambda run: next((mark for mark in "\n\t" if mark in run[0]), " "), plain).strip()


def _read(letters: str, rest: str, allowed: str) -> frozenset[str] | None:
    """The letters of a match, with those of "A: text, C: text" in the rest of its line; None for a word."""
    said = letters.translate(_CYRILLIC)
    if len(said) > 1 and re.fullmatch("[A-J]+", said):
        if list(said) != sorted(set(said)) or re.match(r"\s+[a-zà-ÿа-я]", rest):
            return None
        found = set(said)
    else:
        found = set(re.findall(r"(?<![A-Za-z])[A-Ja-j](?![A-Za-z])", said))
    found = {letter.upper() for letter in found}
    if re.match(r"\s*[:：]", rest):
        found.update(letter.translate(_CYRILLIC) for letter in _NEXT.findall(rest.split("\n")[0]))
    return frozenset(found) if found and found <= set(allowed) else None


def choice_letters(text: str, choices: Sequence[str] = ()) -> frozenset[str] | None:
    """The letters that a text chooses, in this order of trust.

    1. The letter or letters it begins with ("B", "B: Aspirin", "(A), (C)"), unless it begins by listing the options.
    2. What follows "answer", "correct option", "réponse", "respuesta", "ответ", "答案", "正解" …, or is said to be right: the
       last such place.
    3. The only letters that follow "option", "choose", "therefore" … anywhere.
    4. The only letter in brackets, at the start of a line, or alone at the end.
    5. The only option whose text it holds.

    Args:
        text: an answer, or a gold answer in one of the release's shapes.
        choices: the options' texts in order, with or without their letters; they bound the letters (default A to E).

    Returns:
        One letter or several; None where none can be found.
    """
    plain = _plain(text)
    allowed = "ABCDEFGHIJ"[: len(choices) or 5]
    lists_options = len({letter.translate(_CYRILLIC) for letter in _OPTION_LINE.findall(plain)}) > 1
    leading = None if lists_options else _LEADING.match(plain)
    if leading and (found := _read(leading["letters"], plain[leading.end("letters") :], allowed)):
        return found
    stated = sorted([*_AFTER_ANSWER.finditer(plain), *_IS_RIGHT.finditer(plain)], key=lambda match: -match.end())
    for match in stated:
        if found := _read(match["letters"], plain[match.end("letters") :], allowed):
            return found
    chosen = {_read(match["letters"], plain[match.end("letters") :], allowed) for match in _AFTER_OTHER.finditer(plain)} - {None}
    if len(chosen) == 1:
        return chosen.pop()
    single = {(a or b).translate(_CYRILLIC) for a, b in _BRACKETED.findall(plain)}
    if len(single) == 1 and single <= set(allowed):
        return frozenset(single)
    options = [re.sub(rf"^\s*\(?{_LETTER}\s*[).:：]\s*", "", choice) for choice in choices]
    named = _named_options(plain, options)
    return frozenset(allowed[i] for i in named) if len(named) == 1 else None


def _named_options(text: str, options: Sequence[str]) -> list[int]:
    """Options whose text stands in the answer: as whole words, or, in a script without blanks, as it is and in no longer one."""
    worded = LabelSet(tuple(option for option in options if option.isascii()))
    found = set(named_labels(text, worded))
    rest = text
    for option in sorted((o for o in options if o and not o.isascii()), key=len, reverse=True):
        if option in rest:
            found.add(option)
            rest = rest.replace(option, "\n")
    return [i for i, option in enumerate(options) if option in found]


_ANSWER_IS = (
    r"(?:answer|conclusion|decision|verdict|prediction|outcome|result|label)s?\b[^.\n]{0,40}?(?:\b(?:is|be)\b|:)\W*(?P<word>%s)\b"
)
_YES_NO_MAYBE = {"yes": "yes", "no": "no", "maybe": "maybe"}
_TRUE_FALSE = {"true": "true", "false": "false", "yes": "true", "no": "false"}
_FLAGS = {"1": "true", "0": "false", "positive": "true", "negative": "false"}
_ENDS = re.compile(r"[^\w.,;:!\n]*(?:$|[.,;:!\n])")
_RESTATED = re.compile(r"\(?\b(?:true|yes)\s*(?:or|/|,)\s*(?:false|no)\b(?:\s*(?:or|/|,)\s*maybe)?\)?\s*[:?]?", re.IGNORECASE)


def _one_word(text: str, words: Mapping[str, str], hedged: frozenset[str] = frozenset()) -> str | None:
    """What a text says: after "the answer is" (last), at its beginning, or the only one of the words in it.

    ``hedged`` are words that also mean something else within a sentence ("no evidence"): there they must end it.
    """
    plain = _RESTATED.sub(" ", _plain(text)).strip()
    either = "|".join(sorted(words, key=len, reverse=True))
    if stated := list(re.finditer(_ANSWER_IS % either, plain, re.IGNORECASE)):
        return words[stated[-1]["word"].lower()]
    if leading := re.match(rf"\W*({either})\b", plain, re.IGNORECASE):
        return words[leading[1].lower()]
    found = set()
    for match in re.finditer(rf"(?<![\w-])({either})(?![\w-])", plain, re.IGNORECASE):
        word = match[1].lower()
        if word not in hedged or _ENDS.match(plain, match.end()):
            found.add(words[word])
    return found.pop() if len(found) == 1 else None


def yes_no_maybe(text: str) -> str | None:
    """``yes``, ``no`` or ``maybe``; None where the text says none of them or several without saying which is the answer."""
    return _one_word(text, _YES_NO_MAYBE, frozenset(("no",)))


def true_false(text: str) -> str | None:
    """``true`` or ``false``, also said as yes and no; 1, 0, positive and negative count at the beginning of a text only."""
    flag = re.match(r"\W*(1|0|positive|negative)\b(?![.,]\d)", _plain(text), re.IGNORECASE)
    return _FLAGS[flag[1].lower()] if flag else _one_word(text, _TRUE_FALSE, frozenset(("no",)))
