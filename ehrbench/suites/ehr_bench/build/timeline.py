"""Finding events by time without going through all of them: binary searches over running extremes (protocol page, 6.4, 6.5)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from itertools import accumulate

from ehrbench.suites.ehr_bench.build.merge import Event

HOUR = 3600
DAY = 24 * HOUR


class Timeline:
    """The events of one patient, as the samples look them up. Positions are those in the list; at 0 is the patient's row."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.events = events
        self._all = _Track([(i, e.start) for i, e in enumerate(events) if i and e.start is not None])
        groups: dict[int | None, list[tuple[int, int]]] = defaultdict(list)
        tables: dict[str, list[int]] = defaultdict(list)
        latest: int | None = None
        self.before: list[int | None] = []
        """The start of the latest event with one up to this position."""
        for i, event in enumerate(events):
            if i and event.start is not None:
                groups[event.hadm].append((i, event.start))
                latest = event.start
            self.before.append(latest)
            tables[event.table].append(i)
        self._by_hadm = {hadm: _Track(found) for hadm, found in groups.items()}
        self._by_table = dict(tables)
        admitted: dict[int | None, list[int]] = defaultdict(list)
        for i in self._by_table.get("icustays", ()):
            admitted[events[i].hadm].append(i)
        self._icu = dict(admitted)

    def first_after(self, hadm: int | None, time: int) -> int | None:
        """The lowest position of an event of an admission (None: of events without one) that starts after ``time``."""
        track = self._by_hadm.get(hadm)
        return track.first_after(time) if track else None

    def last_before(self, time: int, hadm: int | None = None) -> int | None:
        """The highest position of an event that starts before ``time``; of one admission, if it is given."""
        track = self._all if hadm is None else self._by_hadm.get(hadm)
        return track.last_before(time) if track else None

    def last_of(self, hadm: int) -> int | None:
        """The highest position of a timed event of an admission."""
        track = self._by_hadm.get(hadm)
        return track.positions[-1] if track else None

    def later(self, table: str, position: int) -> Sequence[int]:
        """The positions of a table's events after a position."""
        found = self._by_table.get(table, [])
        return found[bisect_right(found, position) :]

    def next(self, table: str, position: int) -> Event | None:
        """The next event of a table after a position."""
        found = self._by_table.get(table, [])
        at = bisect_right(found, position)
        return self.events[found[at]] if at < len(found) else None

    def next_icu(self, hadm: int | None, position: int) -> Event | None:
        """The next ICU stay of an admission."""
        found = self._icu.get(hadm, []) if hadm is not None else []
        at = bisect_right(found, position)
        return self.events[found[at]] if at < len(found) else None


class _Track:
    def __init__(self, found: Sequence[tuple[int, int]]) -> None:
        self.positions = [i for i, _ in found]
        starts = [start for _, start in found]
        self._greatest = list(accumulate(starts, max))
        self._least = list(accumulate(reversed(starts), min))[::-1]

    def first_after(self, time: int) -> int | None:
        at = bisect_right(self._greatest, time)
        return self.positions[at] if at < len(self.positions) else None

    def last_before(self, time: int) -> int | None:
        at = bisect_left(self._least, time)
        return self.positions[at - 1] if at else None
