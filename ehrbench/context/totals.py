"""How many tokens whole records have, kept on disk: a later run then tokenises only what it shows."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from ehrbench.home import home_dir

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
