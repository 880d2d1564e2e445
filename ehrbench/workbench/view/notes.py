"""Flags and notes of the people who look, kept per person in ``private/notes.jsonl``; the last word on an item counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

from ehrbench.jsonl import Appender, read_rows
from ehrbench.tables import to_csv

NOTE_LIMIT = 5_000


class Note(NamedTuple):
    """What one person left on one item."""

    flag: bool = False
    text: str = ""


class Notes:
    """The notes on one set of runs."""

    def __init__(self, path: Path, task: str, person: str) -> None:
        """Read what is there.

        Args:
            path: ``notes.jsonl``.
            task: the task's name: notes on several tasks share a file.
            person: who looks.
        """
        self._path, self._task, self._person = path, task, person
        self._held: dict[tuple[str, str], Note] = {}
        for row in read_rows(path):
            if row["task"] == task:
                self._held[row["person"], row["item"]] = Note(row["flag"], row["note"])

    def mine(self, item: str) -> Note:
        """One's own."""
        return self._held.get((self._person, item), Note())

    def others(self, item: str) -> Mapping[str, Note]:
        """Other people's on an item."""
        return {p: note for (p, i), note in self._held.items() if i == item and p != self._person and note != Note()}

    def flagged(self) -> list[str]:
        """The items that one flagged."""
        return [item for (person, item), note in self._held.items() if person == self._person and note.flag]

    def keep(self, item: str, flag: bool, text: str) -> None:
        """Keep a flag and a note.

        Raises:
            EhrbenchError: the file cannot be written.
        """
        note = Note(flag, text.strip()[:NOTE_LIMIT])
        created = not self._path.exists()
        appender = Appender(self._path)
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        appender.append(
            {"at": at, "task": self._task, "person": self._person, "item": item, "flag": note.flag, "note": note.text}
        )
        appender.close()
        if created:
            self._path.chmod(0o600)
        self._held[self._person, item] = note

    def table(self) -> str:
        """Who flagged or noted which item, without the notes' text."""
        rows = [(p, i, int(n.flag), int(bool(n.text))) for (p, i), n in sorted(self._held.items()) if n != Note()]
        return to_csv(("person", "item", "flagged", "has_note"), rows)
