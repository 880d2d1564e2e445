"""A record is tokenised once for each tokenizer, whatever the number of questions; and only its tail where that is enough."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock, RLock
from typing import NamedTuple

from ehrbench.context.blocks import tokenise
from ehrbench.context.joints import Run, in_step, run_of
from ehrbench.context.totals import totals
from ehrbench.hashing import hash_text
from ehrbench.models.protocol import Tokenizer

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
