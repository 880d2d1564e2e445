"""``bm25-source-1``: the short part of a record that source-augmented metrics are shown.

The MedAlign paper took BM25 snippets of the record and does not say how; these are our choices. A piece is one note, or one
entry of codes, of the record; a longer one is split every 200 words, without overlap. The query is the instruction; tokens are
lower-cased runs of letters and digits. The best pieces by Okapi BM25 (equal scores in the record's order) are added until the
metric's own token limit, the last one is cut at the end to fit, and what was taken is shown in chronological order, one piece a
line. Where no piece shares a word with the instruction, the newest are taken.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ehrbench.errors import UsageError
from ehrbench.metrics.metric import Metric, Scorable
from ehrbench.records.record import Record

if TYPE_CHECKING:
    from ehrbench.bm25 import Okapi
    from ehrbench.scoring.loaded import LoadedRun

KEPT_RECORDS = 4
_WORD = re.compile(r"\S+")


class _Piece(NamedTuple):
    text: str
    when: tuple[Any, ...]
    """Sorts chronologically: time, then place in the record."""


class _Chosen(NamedTuple):
    """The best pieces of one item, more than will fit; best first."""

    pieces: list[_Piece]
    room: int


def with_sources(metric: Metric, scorables: Sequence[Scorable], run: LoadedRun) -> Sequence[Scorable]:
    """The scorables with ``source`` filled in as the metric wants it; unchanged for metrics without sources.

    Raises:
        UsageError: the metric needs records and the task has none.
        MissingError: a record is not there.
    """
    if metric.source is None:
        return scorables
    records = {item.id: item.record_id for item in run.items}
    return add_sources(metric, scorables, records, run.load_record)


def add_sources(
    metric: Metric,
    scorables: Sequence[Scorable],
    record_ids: Mapping[str, str | None],
    load_record: Callable[[str], Record] | None,
) -> list[Scorable]:
    """Fill ``source`` of each scorable by the metric's rule.

    Args:
        metric: with a rule (``metric.source``).
        scorables: what is to be scored.
        record_ids: the record of each item, by the item's id.
        load_record: reads one record; each is read once where the items on it are neighbours.
    """
    rule = metric.source
    if rule is None:
        return list(scorables)
    if rule.mode == "empty":
        return [replace(s, source="") for s in scorables]
    if rule.mode == "instruction":
        return [replace(s, source=s.question) for s in scorables]
    if load_record is None or any(record_ids.get(s.item) is None for s in scorables):
        raise UsageError(
            f"metric '{metric.name}' takes its source from the items' records, and these items have none: give "
            f"--metric-arg {metric.name}.source=instruction (or empty)"
        )
    index = _Index(load_record, rule.piece_words)
    # Answers to one question share a query and a record, and often the room.
    keys = [(str(record_ids[s.item]), s.question, max(0, room)) for s, room in zip(scorables, rule.room(scorables), strict=True)]
    chosen = {key: _Chosen(index.best(*key), key[2]) for key in sorted(set(keys))}
    texts = dict(zip(chosen, fit(list(chosen.values()), rule.count), strict=True))
    return [replace(s, source=texts[key]) for s, key in zip(scorables, keys, strict=True)]


class _Index:
    """The pieces of the latest few records, with their BM25 index."""

    def __init__(self, load_record: Callable[[str], Record], piece_words: int) -> None:
        self._load = load_record
        self._piece_words = piece_words
        self._kept: OrderedDict[str, tuple[list[_Piece], Okapi]] = OrderedDict()

    def best(self, record_id: str, question: str, room: int) -> list[_Piece]:
        """The best pieces, best first, as many as can possibly fit: a word is at least one token."""
        from ehrbench.bm25 import tokenize

        pieces, okapi = self._record(record_id)
        scores = okapi.scores(tokenize(question))
        if scores.any():
            ranking = sorted(range(len(pieces)), key=lambda k: -float(scores[k]))
        else:
            ranking = sorted(range(len(pieces)), key=lambda k: pieces[k].when, reverse=True)
        best, words = [], 0
        for k in ranking:
            if words >= room:
                break
            best.append(pieces[k])
            words += len(_WORD.findall(pieces[k].text))
        return best

    def _record(self, record_id: str) -> tuple[list[_Piece], Okapi]:
        from ehrbench.bm25 import Okapi, tokenize

        if record_id not in self._kept:
            pieces = split(self._load(record_id), self._piece_words)
            self._kept[record_id] = pieces, Okapi([tokenize(piece.text) for piece in pieces])
            if len(self._kept) > KEPT_RECORDS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(record_id)
        return self._kept[record_id]


def split(record: Record, piece_words: int) -> list[_Piece]:
    """The pieces of a record, in its order; a record without entries is one piece before it is split."""
    pieces: list[_Piece] = []
    spans = [(entry.start, entry.end, entry.time) for entry in record.entries] or [(0, len(record.text), None)]
    latest = None
    for start, end, time in spans:
        latest = time or latest
        words = [match.span() for match in _WORD.finditer(record.text, start, end)]
        for first in range(0, len(words), piece_words):
            last = min(first + piece_words, len(words)) - 1
            # An entry without a time stands where its predecessor does.
            when = (latest is not None, latest.isoformat() if latest else "", len(pieces))
            pieces.append(_Piece(record.text[words[first][0] : words[last][1]], when))
    return pieces


def fit(chosen: Sequence[_Chosen], count: Callable[[Sequence[str]], Sequence[int]]) -> list[str]:
    """The text of each item's best pieces, cut to its room.

    Args:
        chosen: the best pieces of each item.
        count: tokens of each text.
    """
    texts = list(dict.fromkeys(piece.text for one in chosen for piece in one.pieces))
    sizes = dict(zip(texts, count(texts), strict=True))
    kept: list[list[_Piece]] = []
    cut: list[tuple[int, _Piece, int]] = []
    for i, one in enumerate(chosen):
        left, whole = one.room, []
        for piece in one.pieces:
            if sizes[piece.text] > left:
                cut.append((i, piece, left))
                break
            whole.append(piece)
            left -= sizes[piece.text]
        kept.append(whole)
    words = list(dict.fromkeys(word for _, piece, _ in cut for word in _WORD.findall(piece.text)))
    word_sizes = dict(zip(words, count(words), strict=True))
    for i, piece, left in cut:
        end = 0
        for match in _WORD.finditer(piece.text):
            left -= word_sizes[match[0]]
            if left < 0:
                break
            end = match.end()
        if end:
            kept[i].append(piece._replace(text=piece.text[:end]))
    return _shortened(kept, [one.room for one in chosen], count)


def _shortened(kept: list[list[_Piece]], rooms: Sequence[int], count: Callable[[Sequence[str]], Sequence[int]]) -> list[str]:
    """The pieces joined; where joints cost tokens, the worst piece loses words until all fits."""
    texts = [_joined(pieces) for pieces in kept]
    open_items = [i for i, pieces in enumerate(kept) if pieces]
    while open_items:
        sizes = count([texts[i] for i in open_items])
        over = [(i, size - rooms[i]) for i, size in zip(open_items, sizes, strict=True) if size > rooms[i]]
        for i, excess in over:
            worst = kept[i].pop()
            spans = [match.span() for match in _WORD.finditer(worst.text)]
            if len(spans) > excess:
                kept[i].append(worst._replace(text=worst.text[: spans[-excess - 1][1]]))
            texts[i] = _joined(kept[i])
        open_items = [i for i, _ in over if kept[i]]
    return texts


def _joined(pieces: Sequence[_Piece]) -> str:
    return "\n".join(piece.text for piece in sorted(pieces, key=lambda piece: piece.when))
