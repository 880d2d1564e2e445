"""Synonyms from WordNet 3.0's own files: what METEOR needs of it, in a tenth of a second instead of NLTK's four.

Equal to the lemma names that ``nltk.corpus.wordnet.synsets`` finds, NLTK's rules of morphology included.
"""

from __future__ import annotations

import zipfile
from functools import lru_cache
from pathlib import Path

from ehrbench.metrics import _nltk_data

PARTS = {"noun": "n", "verb": "v", "adj": "a", "adv": "r"}
_SUFFIXES = {
    "noun": (
        ("s", ""),
        ("ses", "s"),
        ("ves", "f"),
        ("xes", "x"),
        ("zes", "z"),
        ("ches", "ch"),
        ("shes", "sh"),
        ("men", "man"),
        ("ies", "y"),
    ),
    "verb": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"), ("ing", "")),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}
_VERSION = b"WordNet 3.0 Copyright"


class WordNet:
    """A WordNet 3.0 dictionary in memory (about 25 MB, read on first use)."""

    def __init__(self, place: Path) -> None:
        """Read the dictionary.

        Args:
            place: the folder with ``data.noun`` and its like, or NLTK's ``wordnet.zip``.
        """
        self._data = {part: _read(place, f"data.{part}") for part in PARTS}
        self._index = {part: _read_index(_read(place, f"index.{part}")) for part in PARTS}
        self._exceptions = {part: _read_exceptions(_read(place, f"{part}.exc")) for part in PARTS}

    def synonyms(self, word: str) -> set[str]:
        """Names of all one-word lemmas of every synset of the word, in the case WordNet writes them."""
        names = set()
        for part in PARTS:
            for form in self._forms(word.lower(), part):
                for offset in self._offsets(form, part):
                    names.update(self._lemmas(part, offset))
        return names

    def _forms(self, word: str, part: str) -> dict[str, None]:
        """The word and its base forms that the part's index has."""
        other = self._exceptions[part].get(word)
        if other is None:
            other = [word[: -len(old)] + new for old, new in _SUFFIXES[part] if word.endswith(old)]
        return {form: None for form in (word, *other) if form in self._index[part]}

    def _offsets(self, form: str, part: str) -> list[int]:
        # lemma, part, n synsets, n pointers, pointers..., n senses, n tagged senses, offsets...
        fields = self._index[part][form].split()
        return [int(offset) for offset in fields[-int(fields[1]) :]]

    def _lemmas(self, part: str, offset: int) -> list[str]:
        data = self._data[part]
        # offset, file, kind, n words (hexadecimal), then word and id in turn
        fields = data[offset : data.index(b"|", offset)].decode("utf-8").split()
        words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
        return [word.partition("(")[0] for word in words if "_" not in word.partition("(")[0]]


def find_wordnet() -> Path | None:
    """Find WordNet 3.0: NLTK's ``corpora/wordnet`` (a folder or a zip) or Debian's ``wordnet-base``; None when absent."""
    places = [_nltk_data.find("corpora/wordnet"), Path("/usr/share/wordnet"), Path("/usr/local/WordNet-3.0/dict")]
    return next((place for place in places if place is not None and _is_wordnet_3_0(place)), None)


@lru_cache(maxsize=1)
def load_wordnet(place: Path) -> WordNet:
    """Return the dictionary of a place, read once a process."""
    return WordNet(place)


def _is_wordnet_3_0(place: Path) -> bool:
    try:
        if place.suffix == ".zip":
            return _VERSION in _read(place, "data.noun")[:2000]
        with (place / "data.noun").open("rb") as file:
            return _VERSION in file.read(2000) and (place / "adv.exc").exists()
    except (OSError, KeyError, zipfile.BadZipFile):
        return False


def _read(place: Path, name: str) -> bytes:
    if place.suffix == ".zip":
        with zipfile.ZipFile(place) as archive:
            return archive.read(f"{place.stem}/{name}")
    return (place / name).read_bytes()


def _read_index(content: bytes) -> dict[str, str]:
    lines = (line.partition(" ") for line in content.decode("utf-8").splitlines() if not line.startswith(" "))
    return {lemma: rest for lemma, _, rest in lines}


def _read_exceptions(content: bytes) -> dict[str, list[str]]:
    rows = (line.split() for line in content.decode("utf-8").splitlines())
    return {row[0]: row[1:] for row in rows if row}
