"""A sample: a task, a window of one patient's events, and what is to be said of it (protocol page, section 2, release a)."""

from __future__ import annotations

from typing import NamedTuple

INDEX_COLUMNS = (
    "subject_id",
    "hadm_id",
    "task",
    "event",
    "period_begin",
    "period_end",
    "admissions_id",
    "last_discharge_id",
    "target",
)
"""Of the index files."""
HOURS = ("window_opens", "window_closes")
"""Further columns of index files of the clean profile: rows after the window's close are not shown."""


class Sample(NamedTuple):
    """One row of an index file."""

    subject: int
    hadm: int | None
    task: str
    event: str
    """The anchor's or target's table."""
    begin: int
    """The window's first event."""
    end: int
    """One past the window's last event."""
    target: str | tuple[str, ...]
    """``yes`` or ``no``, a table's name, or distinct labels, sorted."""
    admission: int | None = None
    """The latest admission so far, where it is the sample's: shown as a header."""
    discharge: int | None = None
    """The latest discharge note so far, where it is another admission's: shown first."""
    opens: int | None = None
    """Clean profile: the window's earliest second since 1970."""
    closes: int | None = None
    """Clean profile: the last second of which a row may be shown."""

    @property
    def labels(self) -> list[str]:
        """The target as a list."""
        return [self.target] if isinstance(self.target, str) else list(self.target)
