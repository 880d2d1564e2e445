"""A record's tokens, made once and exactly: long texts block by block, pieces as the whole text has them, totals kept on disk.

A tokenizer reads a text from left to right, and what it makes of a place depends on the text near by. So a piece of a text that
is tokenised alone differs from the whole text's tokens only near its edges. Once the two agree over a run of tokens that holds
the end of a word, they agree from there on, and the middle of a record need not be tokenised again to count a prompt.
"""

from __future__ import annotations

import os
import re
from array import array
from bisect import bisect_left
from collections import OrderedDict
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from threading import Lock, RLock
from typing import NamedTuple

from ehrbench.hashing import hash_text
from ehrbench.home import home_dir
from ehrbench.models.protocol import Tokenizer, Tokens

AGREEING_TOKENS = 32
"""Tokens in a row that must be the same, ids and places, before two tokenisations count as in step."""

# A letter or digit, then white space or a mark: every pre-tokenizer ends a word there. A run of one repeated mark, of digits or
# of letters may agree by accident of alignment and proves nothing.
WORD_END = re.compile(r"[^\W_][\s,.;:()<>/=。，；：、（）]")


class Run(NamedTuple):
    """Consecutive tokens of a text: all of them, or those at its end."""

    ids: array[int]
    starts: array[int]
    """Offset in the text at which each token begins; never decreases."""
    offset: int
    """The run holds every token of ``text[offset:]``; 0 for the whole text."""

    def at(self, offset: int) -> int:
        """The first token that begins at or after ``offset``."""
        return bisect_left(self.starts, offset)

    def boundary(self, index: int) -> int:
        """The first token at or after ``index`` that does not begin inside a character shared with the token before."""
        while 0 < index < len(self.starts) and self.starts[index] == self.starts[index - 1]:
            index += 1
        return index

    def boundary_before(self, index: int, first: int) -> int:
        """The last token at or before ``index``, and not before ``first``, that begins a character of its own."""
        while first < index < len(self.starts) and self.starts[index] == self.starts[index - 1]:
            index -= 1
        return index

    def start_of(self, index: int, end: int) -> int:
        """Offset at which the token begins; ``end`` for the token after the last."""
        return self.starts[index] if index < len(self.starts) else end


def run_of(tokens: Tokens, shift: int = 0) -> Run:
    """A compact copy of ``tokens``, their offsets moved by ``shift``."""
    starts = array("q", tokens.starts)
    if shift:
        starts = array("q", (start + shift for start in starts))
    return Run(array("q", tokens.ids), starts, shift)


def in_step(text: str, piece: Run, known: Run, *, begin: int, end: int) -> tuple[int, int] | None:
    """The first place from which ``piece`` and ``known`` have the same tokens.

    Args:
        text: what the offsets of both refer to.
        piece: the tokenisation to place.
        known: the tokenisation to be found again.
        begin: look at tokens that begin here or later.
        end: the agreeing tokens must all begin before this offset.

    Returns:
        Index in ``piece`` and index in ``known`` of the first agreeing token after the end of a word, or None.
    """
    last = piece.at(end) - AGREEING_TOKENS
    at = piece.boundary(piece.at(begin))
    while at <= last:
        there = known.at(piece.starts[at])
        ours, theirs = slice(at, at + AGREEING_TOKENS), slice(there, there + AGREEING_TOKENS)
        if piece.starts[ours] == known.starts[theirs] and piece.ids[ours] == known.ids[theirs]:
            word_end = WORD_END.search(text, piece.starts[at], piece.starts[at + AGREEING_TOKENS - 1] + 1)
            if word_end:
                # What precedes the end of the word may agree by accident; what follows it does not depend on it.
                after = piece.boundary(piece.at(word_end.start() + 1))
                return after, there + after - at
        at = piece.boundary(at + 1)
    return None


BLOCK_CHARS = 100_000
_OVERLAP_CHARS = 2_000


def tokenise(text: str, tokenizer: Tokenizer, start: int = 0, *, block: int = BLOCK_CHARS, overlap: int = _OVERLAP_CHARS) -> Run:
    """The tokens of ``text[start:]``, their offsets those in ``text``.

    Args:
        text: what the offsets refer to.
        tokenizer: reads from left to right.
        start: where to begin; what stands before is not looked at.
        block: characters that are tokenised at a time.
        overlap: characters that two blocks share on each side of their border.
    """
    end = start + block
    if len(text) - start <= 2 * block:
        return run_of(tokenizer.encode(text[start:]), shift=start)
    run = run_of(tokenizer.encode(text[start : end + overlap]), shift=start)
    while end < len(text):
        begin = end - overlap
        piece = run_of(tokenizer.encode(text[begin : end + block + overlap]), shift=begin)
        found = in_step(text, piece, run, begin=begin, end=end)
        if found is None:
            # Characters by the thousand without the end of a word: no border can be trusted.
            return run_of(tokenizer.encode(text[start:]), shift=start)
        at, there = found
        del run.ids[there:], run.starts[there:]
        run.ids.extend(piece.ids[at:])
        run.starts.extend(piece.starts[at:])
        end += block
    return run


_LINE = re.compile(rb"([0-9a-f]{64}) (\d+)\n")


class Totals:
    """Counts of one tokenizer: a file of lines ``<sha256 of the record> <tokens>``, numbers and hashes only."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts: dict[str, int] = {}
        with suppress(OSError):
            # A line torn by a kill matches nothing and is counted anew.
            self._counts = {digest.decode(): int(count) for digest, count in _LINE.findall(path.read_bytes())}

    def get(self, digest: str) -> int | None:
        """Tokens of the record with this hash, or None."""
        return self._counts.get(digest)

    def put(self, digest: str, count: int) -> None:
        """Remember a count; a full or read-only disk costs the memory of it, not the run."""
        if self._counts.get(digest) == count:
            return
        self._counts[digest] = count
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                # One short write in append mode: lines of processes that run side by side do not mix. The leading newline
                # parts it from a torn line.
                os.write(file, f"\n{digest} {count}\n".encode())
            finally:
                os.close(file)


def totals(fingerprint: str) -> Totals:
    """The counts of the tokenizer with this fingerprint."""
    return _totals(home_dir() / "token-counts" / f"{re.sub('[^0-9A-Za-z]', '_', fingerprint)[:80]}.txt")


@lru_cache(maxsize=32)
def _totals(path: Path) -> Totals:
    return Totals(path)


SURPLUS_TOKENS = 64
"""A tail is tokenised this much further back than asked."""
CACHED_CHARS = 24_000_000
"""Text of the records whose tokens are kept in memory; each character costs about six bytes more."""
_JOINT_CHARS = (800, 4_000)
"""Characters on either side of a joint that are tokenised again: the second is tried where the first does not fall into step."""
_REMEMBERED_JOINTS = 16
_PERSISTED_CHARS = 10_000
"""A shorter record is counted faster than looked up."""
_FIRST_GUESS_CHARS_PER_TOKEN = 4.0

Joint = tuple[int, int] | None
"""Tokens counted on one side of a joint, and the index in the record's run where they meet it; None where they do not."""

_UNKNOWN: Joint = (-1, -1)


class _Key(NamedTuple):
    run_offset: int
    side: str
    place: int
    reach: int
    text: str


class RecordTokens:
    """The tokens of one text, made on demand: all of them, or those at its end."""

    def __init__(self, text: str, tokenizer: Tokenizer) -> None:
        self.text = text
        self.tokenizer = tokenizer
        self._run: Run | None = None
        self._total: int | None = None
        self._joints: OrderedDict[_Key, Joint] = OrderedDict()
        self._lock = RLock()

    @property
    def total(self) -> int:
        """Tokens of the whole text."""
        if self._total is None:
            self._total = len(self.full().ids) if len(self.text) < _PERSISTED_CHARS else self._persisted_total()
        return self._total

    def full(self) -> Run:
        """Every token of the text."""
        with self._lock:
            if self._run is None or self._run.offset > 0:
                self._run = tokenise(self.text, self.tokenizer)
            return self._run

    def tail(self, tokens: int) -> Run:
        """The last tokens of the text, the same as those that end the full tokenisation.

        Args:
            tokens: how many are needed, at least 0.

        Returns:
            A run that ends where the text ends and has at least ``tokens`` + 64 tokens, or all there are. It is a window from a
            newline to the end, less the tokens before the place from which it is in step with what stands across the cut.
        """
        wanted = tokens + SURPLUS_TOKENS
        with self._lock:
            run = self._run
            guess = len(self.text) / self._total if self._total else _FIRST_GUESS_CHARS_PER_TOKEN
            chars = wanted * guess * 1.1
            # Beyond half of the text the full tokenisation costs little more and serves every later question.
            while run is None or (run.offset > 0 and len(run.ids) < wanted):
                if chars >= len(self.text) / 2:
                    return self.full()
                run = self._window(len(self.text) - int(chars))
                seen = 0 if run is None else len(run.ids)
                chars *= min(4.0, max(1.2, 1.1 * wanted / seen)) if seen else 2.0
            self._run = run
            return run

    def count_between(self, start: int, end: int) -> int:
        """How many tokens of the full tokenisation begin in ``text[start:end]``."""
        if start <= 0 and end >= len(self.text):
            return self.total
        run = self._covering(start)
        # What a tokenizer leaves out at the beginning of a text (white space) belongs to its first token.
        first = 0 if start <= 0 else run.at(start)
        return (len(run.ids) if end >= len(self.text) else run.at(end)) - first

    def whole_between(self, start: int, end: int) -> int:
        """How many tokens of the full tokenisation lie within ``text[start:end]``: one that the end parts is not seen."""
        n = self.count_between(start, end)
        if n == 0 or end >= len(self.text):
            return n
        run = self._covering(start)
        return n - (run.start_of(run.at(end), len(self.text)) != end)

    def count(self, before: str, start: int, end: int, after: str) -> int:
        """Tokens of ``before + text[start:end] + after``, exactly, without tokenising the middle again."""
        for reach in _JOINT_CHARS:
            # Where the slice is short the joints are most of it.
            if end - start <= 3 * reach:
                break
            run = self._covering(start)
            left = self._left(run, before, start, reach)
            right = self._right(run, end, after, reach)
            if left is not None and right is not None and left[1] <= right[1]:
                return left[0] + (right[1] - left[1]) + right[0]
        return self.tokenizer.count(f"{before}{self.text[start:end]}{after}")

    def _left(self, run: Run, before: str, start: int, reach: int) -> Joint:
        """Tokens of ``before`` and the beginning of the slice up to a token of the run, and that token's index."""
        key = _Key(run.offset, "left", start, reach, before)
        if (known := self._joints.get(key, _UNKNOWN)) is not _UNKNOWN:
            return known
        tokens = self.tokenizer.encode(before + self.text[start : start + reach])
        piece = run_of(tokens, shift=start - len(before))
        return self._remember(key, in_step(self.text, piece, run, begin=start, end=start + reach))

    def _right(self, run: Run, end: int, after: str, reach: int) -> Joint:
        """Tokens of the end of the slice from a token of the run on, with ``after``; and that token's index."""
        key = _Key(run.offset, "right", end, reach, after)
        if (known := self._joints.get(key, _UNKNOWN)) is not _UNKNOWN:
            return known
        begin = end - reach
        piece = run_of(self.tokenizer.encode(self.text[begin:end] + after), shift=begin)
        found = in_step(self.text, piece, run, begin=begin, end=end)
        return self._remember(key, None if found is None else (len(piece.ids) - found[0], found[1]))

    def _remember(self, key: _Key, found: Joint) -> Joint:
        with self._lock:
            self._joints[key] = found
            while len(self._joints) > _REMEMBERED_JOINTS:
                self._joints.popitem(last=False)
        return found

    def _covering(self, start: int) -> Run:
        """A run that holds the token at ``start`` and all after it."""
        if self._run is not None and self._run.offset <= start:
            return self._run
        return self.full()

    def _window(self, start: int) -> Run | None:
        """The tokens of ``text[start:]``, from the place on where they are certain to be the full tokenisation's."""
        text, reach = self.text, _JOINT_CHARS[-1]
        newline = text.find("\n", start, start + reach)
        start = start if newline < 0 else newline + 1
        window = tokenise(text, self.tokenizer, start)
        before = max(0, start - reach)
        across = run_of(self.tokenizer.encode(text[before : start + reach]), shift=before)
        found = in_step(text, across, window, begin=start, end=start + reach)
        if found is None:
            return None
        first = found[1]
        return Run(window.ids[first:], window.starts[first:], window.starts[first])

    def _persisted_total(self) -> int:
        known, digest = totals(self.tokenizer.fingerprint), hash_text(self.text)
        count = known.get(digest)
        if count is None:
            count = len(self.full().ids)
            known.put(digest, count)
        return count


class TokenCache:
    """The least recently used records are forgotten first; at least one is kept, however long."""

    def __init__(self, max_chars: int = CACHED_CHARS) -> None:
        self._max_chars = max_chars
        self._chars = 0
        self._entries: OrderedDict[tuple[int, int, str], RecordTokens] = OrderedDict()
        self._lock = Lock()

    def get(self, text: str, tokenizer: Tokenizer) -> RecordTokens:
        """The tokens of ``text``; the same object for the same text and tokenizer."""
        # Python keeps a string's hash with the string, so a second question on a record of megabytes costs nothing here.
        key = (hash(text), len(text), tokenizer.fingerprint)
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry.text != text:
                self._drop(key)
                entry = self._entries[key] = RecordTokens(text, tokenizer)
                self._chars += len(text)
                while self._chars > self._max_chars and len(self._entries) > 1:
                    self._drop(next(iter(self._entries)))
            self._entries.move_to_end(key)
            return entry

    def _drop(self, key: tuple[int, int, str]) -> None:
        entry = self._entries.pop(key, None)
        self._chars -= len(entry.text) if entry else 0


_cache = TokenCache()


def record_tokens(text: str, tokenizer: Tokenizer) -> RecordTokens:
    """The tokens of a record, from this process's cache."""
    return _cache.get(text, tokenizer)
