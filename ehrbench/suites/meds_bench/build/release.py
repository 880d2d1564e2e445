"""Write one file in the release's format; the folder is for its owner only, for most sources are credentialed."""

from __future__ import annotations

import heapq
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

from ehrbench.jsonl import write_atomically, write_private_folder

T = TypeVar("T")
_NOTICE = """\
These files are built from data that may be under a data use agreement (PhysioNet and others). Keep them on this machine, do not
commit them, do not publish them.
"""


class Instance(NamedTuple):
    """One instance of a file."""

    input: str
    output: str
    group: str | None = None
    """The patient, or what else binds instances together; never shown to a model."""
    label: str | None = None


class Draw(Generic[T]):
    """A seeded sample of at most n things that does not depend on the order in which they come."""

    def __init__(self, n: int, seed: int, name: str) -> None:
        """Draw n; ``name`` makes draws of different things independent."""
        self._n, self._salt = n, f"{seed}\0{name}\0"
        self._kept: list[tuple[int, str, T]] = []
        self.seen = 0

    def rank(self, key: str) -> int:
        """Where a key stands in the draw: the lowest are kept."""
        return int.from_bytes(sha256((self._salt + key).encode()).digest()[:16], "big")

    def add(self, key: str, thing: T) -> None:
        """Offer one thing under a key of its own."""
        self.seen += 1
        entry = (-self.rank(key), key, thing)
        if len(self._kept) < self._n:
            heapq.heappush(self._kept, entry)
        elif entry[0] > self._kept[0][0]:
            heapq.heapreplace(self._kept, entry)

    def result(self) -> list[T]:
        """What was drawn, in the order of the draw."""
        return [thing for _, _, thing in sorted(self._kept, key=lambda entry: (-entry[0], entry[1]))]


def write_release_file(folder: Path, place: str, definition: str, instances: Sequence[Instance], source: str) -> Path:
    """Write a file of the release below ``folder``, whole or not at all; ids say nothing of a patient."""
    write_private_folder(folder, _NOTICE)
    path = folder / place
    path.parent.mkdir(exist_ok=True)
    stem = path.stem.partition("_")[0]
    rows = []
    for index, one in enumerate(instances):
        row = {"id": f"{stem}-{index:04d}", "input": one.input, "output": one.output, "group": one.group, "label": one.label}
        rows.append({key: value for key, value in row.items() if value is not None})
    data = {
        "Contributors": ["built by ehrbench"],
        "Source": [source],
        "Definition": [definition],
        "Input_language": ["English"],
        "Output_language": ["English"],
        "Instruction_language": ["English"],
        "Domains": ["Medicine"],
        "Instances": rows,
    }
    write_atomically(path, (json.dumps(data, ensure_ascii=False, indent=1) + "\n").encode())
    path.chmod(0o600)
    return path
