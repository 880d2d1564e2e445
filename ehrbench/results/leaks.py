"""Whether private text or an identifier stands in what is to be published: words in a row that tell enough, or an id.

What is published is small and what it is compared with may be large: the former is held, the latter streamed past it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ehrbench.results.site_text import Place, SiteText
from ehrbench.results.words import bits, public_text, public_words, words_of

QUOTED_WORDS = 8
"""Words in a row that count as quoted, however common they are."""
_LETTERS = 4
"""Of them, how many must have letters: rows of numbers meet by chance."""
FEWEST_WORDS = 4
"""Fewest words in a row that are looked for."""
TELLING_BITS = 60.0
"""What they must tell: four very rare words, five rare ones, never seven common ones."""
MAX_CANDIDATES = 200_000
_SHOWN = 5
"""Findings per source: one leak is enough to refuse."""


class Finding(NamedTuple):
    """Something that keeps a site, or a submission, from being published."""

    place: str
    """File and line."""
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


class Search:
    """Compares private texts with what is to be published, one after another."""

    def __init__(self, files: Mapping[str, str]) -> None:
        """Take what is to be published: the files' texts by their names."""
        self._site = SiteText(files)
        self._counts: Counter[str] = Counter()
        self._total = 0
        self._runs: dict[tuple[str, ...], Place] = {}
        """Words in a row that the site has too, and the private line they end in."""
        self._named: dict[Place, str] = {}
        self._found: Counter[str] = Counter()
        self._asked: set[str] = set()
        self._open: list[str] = []

    def begin(self) -> None:
        """Begin a text that does not go on from the one before."""
        self._keep(None)

    def text(self, text: str, name: str, line: int) -> None:
        """Compare a text; it goes on from the one before unless ``begin`` was called."""
        words = words_of(text)
        self._total += len(words)
        known, triples, run = self._site.vocabulary, self._site.triples, self._open
        here = Place(name, line)
        for word in words:
            if word not in known:
                if len(run) >= FEWEST_WORDS:
                    self._keep(here)
                else:
                    run.clear()
                continue
            self._counts[word] += 1
            if len(run) >= 2 and (run[-2], run[-1], word) not in triples:
                last = run[-1]
                if len(run) >= FEWEST_WORDS:
                    self._keep(here)
                run[:] = [last]
            run.append(word)
        if len(run) >= FEWEST_WORDS:
            self._remember(here)

    def identifier(self, value: str, name: str, line: int, what: str = "holds an identifier of") -> None:
        """Compare an identifier: of a patient, an admission, a stay, a note, an item, a file."""
        if value in self._asked:
            return
        if len(self._asked) < MAX_CANDIDATES:
            self._asked.add(value)
        if self._found[name] < _SHOWN and (place := self._site.names(value)) is not None:
            self._found[name] += 1
            source = f" {name}" + (f", line {line}" if line else "") if name else ""
            self._named.setdefault(_unnamed(place, words_of(value)), f"{what}{source}")

    def findings(self) -> Iterator[Finding]:
        """Every finding; a finding names a place in what is published and a line in a source, and quotes neither."""
        self._keep(None)
        for place, message in self._named.items():
            yield Finding(str(place), message)
        shown: Counter[str] = Counter()
        for run, source in self._runs.items():
            quoted = self._quoted(run) if shown[source.name] < _SHOWN else None
            found = self._site.where(quoted) if quoted is not None else None
            if quoted is not None and found is not None:
                shown[source.name] += 1
                many = f"{QUOTED_WORDS} or more" if len(quoted) >= QUOTED_WORDS else f"{len(quoted)} rare"
                yield Finding(str(_unnamed(found, quoted)), f"quotes {many} words of {source.name}, line {source.line}")

    def _keep(self, here: Place | None) -> None:
        if here is not None:
            self._remember(here)
        self._open.clear()

    def _remember(self, here: Place) -> None:
        if len(self._runs) < MAX_CANDIDATES:
            self._runs.setdefault(tuple(self._open[-200:]), here)

    def _tells(self, words: tuple[str, ...]) -> bool:
        letters = sum(not word.isdigit() and len(word) > 1 for word in words)
        if len(words) >= QUOTED_WORDS and letters >= _LETTERS:
            return True
        return len(words) >= FEWEST_WORDS and letters >= 3 and bits(words, self._counts, self._total) >= TELLING_BITS

    def _quoted(self, run: tuple[str, ...]) -> tuple[str, ...] | None:
        """The part of a run that stands in the site in one piece, tells enough and does not ship with ehrbench."""
        if not self._tells(run):
            return None
        start = 0
        while start <= len(run) - FEWEST_WORDS:
            end = start + FEWEST_WORDS
            if self._site.where(run[start:end]) is None:
                start += 1
                continue
            while end < len(run) and self._site.where(run[start : end + 1]) is not None:
                end += 1
            words = run[start:end]
            if self._tells(words) and f" {' '.join(words)} " not in public_text():
                return words
            start += 1
        return None


def _unnamed(place: Place, words: Sequence[str]) -> Place:
    """A place for a message: of a file whose own name has the private words or one that identifies, only the folder."""
    own = set(words_of(place.name))
    if any(word in own for word in words if len(word) > 3 and word not in public_words()):
        return Place(f"{place.name.rpartition('/')[0] or 'the file'}/…", place.line)
    return place
