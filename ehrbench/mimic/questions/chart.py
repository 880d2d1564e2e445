"""One admission's events, ready to be asked about."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ehrbench.mimic.questions.periods import Period

if TYPE_CHECKING:
    import polars as pl

ITEM_COLUMN: Mapping[str, str] = {
    "labevents": "item",
    "microbiologyevents": "spec_type_desc",
    "prescriptions": "drug",
    "procedureevents": "label",
    "inputevents": "label",
    "outputevents": "label",
}
"""What names the thing measured, given or done, for the types that have one."""


def hours(microseconds: int) -> float:
    """Microseconds as hours."""
    return microseconds / 1_000_000 / 3600


class Rows:
    """Events of one type in one admission, in the order of the list."""

    def __init__(self, event_type: str, columns: Mapping[str, Sequence[Any]]) -> None:
        """``columns`` are equally long; ``at_us`` ascends."""
        self.event_type = event_type
        self.columns = columns
        self.at: Sequence[int] = columns["at_us"]

    def __len__(self) -> int:
        return len(self.at)

    def get(self, column: str, row: int) -> Any:
        """One value; None where it is missing."""
        return self.columns[column][row]

    def where(self, rows: Sequence[int], like: int, *columns: str) -> list[int]:
        """Those of ``rows`` that agree with the row ``like`` in ``columns``."""
        wanted = [(self.columns[c], self.columns[c][like]) for c in columns]
        return [row for row in rows if all(values[row] == value for values, value in wanted)]

    @cached_property
    def by_item(self) -> Mapping[str, list[int]]:
        """Rows of each item, items in the order of their first row."""
        found: dict[str, list[int]] = {}
        for row, item in enumerate(self.columns[ITEM_COLUMN[self.event_type]]):
            if item is not None:
                found.setdefault(item, []).append(row)
        return found

    @cached_property
    def by_time(self) -> Mapping[int, list[int]]:
        """Rows of each exact time."""
        found: dict[int, list[int]] = {}
        for row, at in enumerate(self.at):
            found.setdefault(at, []).append(row)
        return found

    @cached_property
    def by_hour_text(self) -> Mapping[str, list[int]]:
        """Rows that a question writes as the same hour, two decimals long."""
        found: dict[str, list[int]] = {}
        for row, at in enumerate(self.at):
            found.setdefault(f"{hours(at):.2f}", []).append(row)
        return found

    def within(self, period: Period, rows: Sequence[int] | None = None) -> Sequence[int]:
        """Those of ``rows`` (ascending; default: all) inside a period."""
        chosen = range(len(self.at)) if rows is None else rows
        low = 0 if period.low_us is None else bisect_left(chosen, period.low_us, key=self.at.__getitem__)
        high = len(chosen) if period.high_us is None else bisect_left(chosen, period.high_us, key=self.at.__getitem__)
        return chosen[low:high]


@dataclass(frozen=True)
class Chart:
    """One admission."""

    hadm_id: int
    subject_id: int
    los_us: int
    """Hospital stay by ``dischtime``, in microseconds."""
    rows: Mapping[str, Rows]
    """By event type; types without an event are absent."""


def charts(admissions: pl.DataFrame, events: Mapping[str, pl.DataFrame]) -> Iterator[Chart]:
    """One chart an admission, in the order of ``admissions``.

    Args:
        admissions: ``hadm_id, subject_id, los_us``.
        events: sorted rows by event type, as ``sort_events`` leaves them.
    """
    places = {
        event_type: {hadm: (start, n) for hadm, start, n in _runs(frame["hadm_id"])} for event_type, frame in events.items()
    }
    for hadm_id, subject_id, los_us in admissions.select("hadm_id", "subject_id", "los_us").iter_rows():
        rows = {
            event_type: Rows(event_type, _Columns(frame.slice(*places[event_type][hadm_id])))
            for event_type, frame in events.items()
            if hadm_id in places[event_type]
        }
        yield Chart(hadm_id, subject_id, los_us, rows)


def _runs(keys: pl.Series) -> Iterator[tuple[int, int, int]]:
    """The runs of equal keys: key, first place, length."""
    start = 0
    for run in keys.rle().to_list():
        yield run["value"], start, run["len"]
        start += run["len"]


class _Columns(Mapping[str, Sequence[Any]]):
    """The columns of a frame as lists, each made when it is first asked for: most are never asked about."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame
        self._lists: dict[str, list[Any]] = {}

    def __getitem__(self, column: str) -> list[Any]:
        if column not in self._lists:
            self._lists[column] = self._frame[column].to_list()
        return self._lists[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._frame.columns)

    def __len__(self) -> int:
        return self._frame.width
