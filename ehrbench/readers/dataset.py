"""A dataset: the items of one task as a reader found them on disk, and the records they ask about."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data, hash_files
from ehrbench.readers.item import Item
from ehrbench.records.record import Record

_ID = re.compile(r"[^\s\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff]{1,200}")


@dataclass(frozen=True)
class Dataset:
    """Items and records of one task."""

    root: Path
    """The release's own folder."""
    items: Sequence[Item]
    """In the release's order."""
    files: Sequence[Path]
    """Every file that decides an item or a record: hashed into the manifest."""
    load_record: Callable[[str], Record] | None = None
    """Loads one record by id; None for tasks without records."""
    open_data: bool = False
    """True where the reader has proof that these very files are openly licensed, though the task is credentialed (a rebuild from
    the open MIMIC-IV demo). It may loosen the policy gate, never the task file."""
    track: str = ""
    """Marks data whose numbers are never ranked with those of the release's own (items drawn here: ``resampled``)."""
    warnings: Sequence[str] = field(default_factory=tuple)
    """What was odd but harmless, counted ("3 files in ehrs/ have no number for a name"); printed once."""

    coverage: str = ""
    """What share of the records' events has a name and a unit, where the reader knows; `data status --read` shows it."""

    examples: Sequence[Item] | None = None
    """Items that may stand in a prompt as worked examples and are not asked (a training part); None: ``items`` may."""
    derived_from: str | None = None
    """Digest of what the items were made from, for items that are made from runs and not from files."""

    source: Mapping[str, str] = field(default_factory=dict)
    """Where the data are from, beyond their files, for the manifest: a hub's name of them, its commit."""

    version: int = 1
    """Of the reader's renderings: raised when the same files are shown otherwise, so that no run goes on with other prompts."""

    def __post_init__(self) -> None:
        """Check the ids once, for every reader: predictions and scores are joined to items by them, and logs print them.

        Raises:
            UsageError: two items have one id, or an id is empty, too long or has a blank, a line break or another control
                character in it.
        """
        first: dict[str, int] = {}
        for number, item in enumerate(self.items, 1):
            if not _ID.fullmatch(item.id):
                raise UsageError(
                    f"{self.root}: the id of item {number} is not 1 to 200 printable characters without blanks, so no log could "
                    "name it; give the item another id"
                )
            if first.setdefault(item.id, number) != number:
                raise UsageError(
                    f"{self.root}: items {first[item.id]} and {number} have the same id '{item.id}', so one would be scored with "
                    "the other's answer; give each item an id of its own"
                )

    def digest(self) -> str:
        """SHA-256 over the files and what is made of them, independent of where the release lies."""
        if self.derived_from:
            return self.derived_from
        files = hash_files(self.root, self.files)
        return files if self.version == 1 else hash_data([self.version, files])
