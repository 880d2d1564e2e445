"""Words of texts, how much a run of them tells, and which words and sentences ship with ehrbench and are nobody's secret."""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from ehrbench.assets import asset_dir

_WORD = re.compile(r"[^\W_]+")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
_PUBLIC_ROOMS = ("metrics", "neural", "stats", "scoring", "runs", "models", "context", "leaderboard")
"""Whose code writes the notes, intervals, settings and signatures of results."""

PRIOR_WORDS = 1_000_000
"""How many words of ordinary English stand behind the data's own frequencies: a few records say little about what is rare."""
RARE = 2e-5
"""Frequency in ordinary English of a word that is not among the most common."""
_COMMON = (
    "the of and to a in is was for on with he that as his it by at from her she an are be this which had or not no were has "
    "have but been they their one all we you there more when who will would if so than can any two after other also may into "
    "only its over such first time some these no patient patients what about up out them then do did could each how most most"
)
_FREQUENCY = {word: 0.07 / (rank + 1) for rank, word in enumerate(dict.fromkeys(_COMMON.split()))}


def plain(text: str) -> str:
    """A text as it is compared: one spelling of each character, no capitals, nothing invisible, markup's entities read."""
    if not text.isascii():
        text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return (html.unescape(text) if "&" in text else text).casefold()


def words_of(text: str) -> list[str]:
    """The words and numbers of a text, in order, as they are compared."""
    return _WORD.findall(plain(text))


def bits(words: Sequence[str], counts: Mapping[str, int], total: int) -> float:
    """How much a run of words tells, in bits: rare words tell much, common ones little.

    Args:
        words: the run.
        counts: how often each occurs in the data.
        total: how many words the data have.
    """
    return sum(-math.log2((counts.get(word, 0) + PRIOR_WORDS * _ordinary(word)) / (total + PRIOR_WORDS)) for word in words)


def _ordinary(word: str) -> float:
    return max(10.0 ** -len(word), 1e-6) if word.isdigit() else _FREQUENCY.get(word, RARE)


@lru_cache(maxsize=1)
def public_text() -> str:
    """Every text that ships as data, as words with a blank before and behind each: tasks, published tables, the site's pages."""
    parts = []
    for folder in ("tasks", "published", "leaderboard"):
        for path in sorted(p for p in asset_dir(folder).rglob("*") if p.suffix in (".yaml", ".json", ".html", ".js")):
            text = path.read_text(encoding="utf-8")
            parts.append(" ".join(words_of(text.replace("\\n", " ").replace("\\u", " "))))
    return f" {' | '.join(parts)} "


@lru_cache(maxsize=1)
def public_words() -> frozenset[str]:
    """The words of ``public_text`` and of the code that writes results."""
    found = set(public_text().split())
    root = Path(__file__).resolve().parent.parent
    for room in _PUBLIC_ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            found.update(words_of(path.read_text(encoding="utf-8").replace("_", " ")))
    return frozenset(found)


@lru_cache(maxsize=1)
def _layouts() -> str:
    root = Path(__file__).resolve().parent.parent
    code = (path for room in ("suites", "readers", "mimic") for path in sorted((root / room).rglob("*.py")))
    return "\n".join(path.read_text(encoding="utf-8") for path in code)


def is_layout_name(name: str) -> bool:
    """Whether a file's or folder's name is one of a release's layout, as the code of the readers has it."""
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", _layouts()) is not None
