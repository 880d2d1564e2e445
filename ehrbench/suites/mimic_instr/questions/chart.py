"""One admission's events, ready to be asked about."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ehrbench.suites.mimic_instr.questions.periods import Period

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
        self._of_item: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.at)

    @cached_property
    def at(self) -> Sequence[int]:
        """Times, in microseconds since admission."""
        return self.columns["at_us"]

    def get(self, column: str, row: int) -> Any:
        """One value; None where it is missing."""
        return self.columns[column][row]

    def where(self, rows: Sequence[int], like: int, *columns: str) -> Sequence[int]:
        """Those of ``rows`` that agree with the row ``like`` in ``columns``."""
        for column in columns:
            values = self.columns[column]
            wanted = values[like]
            rows = [row for row in rows if values[row] == wanted]
        return rows

    @cached_property
    def items(self) -> list[str]:
        """The distinct items, in the order of their first row."""
        return [item for item in dict.fromkeys(self.columns[ITEM_COLUMN[self.event_type]]) if item is not None]

    def of_item(self, item: str) -> list[int]:
        """The rows of one item."""
        found = self._of_item.get(item)
        if found is None:
            column = self.columns[ITEM_COLUMN[self.event_type]]
            found = self._of_item[item] = [row for row, one in enumerate(column) if one == item]
        return found

    @cached_property
    def by_item(self) -> Mapping[str, list[int]]:
        """Rows of each item, items in the order of their first row."""
        found: dict[str, list[int]] = {item: [] for item in self.items}
        for row, item in enumerate(self.columns[ITEM_COLUMN[self.event_type]]):
            if item is not None:
                found[item].append(row)
        self._of_item = found
        return found

    def at_time(self, at: int) -> Sequence[int]:
        """Rows of one exact time."""
        return range(bisect_left(self.at, at), bisect_right(self.at, at))

    def at_hour(self, at: int) -> Sequence[int]:
        """Rows whose time a question writes as it writes ``at``: two decimals long."""
        text = f"{hours(at):.2f}"
        near = range(bisect_left(self.at, at - _HUNDREDTH), bisect_right(self.at, at + _HUNDREDTH))
        return [row for row in near if f"{hours(self.at[row]):.2f}" == text]

    def within(self, period: Period, rows: Sequence[int] | None = None) -> Sequence[int]:
        """Those of ``rows`` (ascending; default: all) inside a period."""
        chosen = range(len(self.at)) if rows is None else rows
        low = 0 if period.low_us is None else bisect_left(chosen, period.low_us, key=self.at.__getitem__)
        high = len(chosen) if period.high_us is None else bisect_left(chosen, period.high_us, key=self.at.__getitem__)
        return chosen[low:high]


_HUNDREDTH = 36_000_000
"""Of an hour, in microseconds: times further apart are never written alike."""


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
    """One chart per admission, in the order of ``admissions``.

    Args:
        admissions: ``hadm_id, subject_id, los_us``.
        events: sorted rows by event type, as ``sort_events`` leaves them.
    """
    places = {event_type: dict(_runs(frame["hadm_id"])) for event_type, frame in events.items()}
    columns = {event_type: frame.to_dict() for event_type, frame in events.items()}
    for hadm_id, subject_id, los_us in admissions.select("hadm_id", "subject_id", "los_us").iter_rows():
        rows = {
            event_type: Rows(event_type, _Columns(columns[event_type], *place))
            for event_type in events
            if (place := places[event_type].get(hadm_id)) is not None
        }
        yield Chart(hadm_id, subject_id, los_us, rows)


def _runs(keys: pl.Series) -> Iterator[tuple[int, tuple[int, int]]]:
    """The runs of equal keys: key, first place, length."""
    runs = keys.rle().struct.unnest()
    start = 0
    for key, length in zip(runs["value"].to_list(), runs["len"].to_list(), strict=True):
        yield key, (start, length)
        start += length


class _Columns(dict[str, list[Any]]):
    """A stretch of a frame's columns as lists, each made when it is first asked for: most are never asked about."""

    def __init__(self, columns: Mapping[str, pl.Series], start: int, length: int) -> None:
        super().__init__()
        self._columns = columns
        self._place = start, length

    def __missing__(self, column: str) -> list[Any]:
        found = self[column] = self._columns[column].slice(*self._place).to_list()
        return found
