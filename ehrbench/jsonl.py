"""Append-only JSON lines that survive a kill at any moment."""

from __future__ import annotations

import errno
import glob
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ehrbench.errors import EhrbenchError, UsageError

PRIVATE = 0o600
"""Mode of a file that may hold text of records."""
FSYNC_SECONDS = 1.0
"""Longest time that a line may wait for the disk; the kernel has it at once, so only a power cut can lose it."""


def encode(row: Mapping[str, Any]) -> bytes:
    """One row as a line of UTF-8 JSON."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


def parse(text: str | bytes, **options: Any) -> Any:
    """Plain data of a JSON text, whatever the text is.

    Args:
        text: from a file or a server.
        options: of ``json.loads``.

    Raises:
        json.JSONDecodeError: not JSON, nested more deeply than the interpreter can follow, or a number of thousands of digits.
    """
    try:
        return json.loads(text, **options)
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", "", 0) from None
    except ValueError as error:
        if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError)) or "digits" not in str(error):
            raise
        raise json.JSONDecodeError("a number has too many digits", "", 0) from None


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file, a torn last line left out.

    Raises:
        UsageError: a line that is not the last is not JSON, or a line is another value than an object.
    """
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = parse(line)
            except ValueError:
                if not line.endswith(b"\n"):
                    return
                raise UsageError(f"{path}:{number}: not a line of JSON; restore the file or delete the run folder") from None
            if not line.endswith(b"\n"):
                return
            if not isinstance(row, dict):
                raise UsageError(f"{path}:{number}: not a JSON object; restore the file or delete the run folder")
            yield row


def repair(path: Path) -> None:
    """Cut off a torn last line, so that the next append begins a line of its own."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        size = end = file.seek(0, os.SEEK_END)
        while end:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end != size:
            file.truncate(end)


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Replace a file by ``rows``: all of them or, on a failure, none."""
    write_atomically(path, b"".join(encode(row) for row in rows))


def write_atomically(path: Path, content: bytes, *, mode: int = PRIVATE) -> None:
    """Replace a file's content in one step; for its owner only unless ``mode`` says otherwise, whatever the umask."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE), "wb") as file:
            partial.chmod(mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sweep(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise _explained(path, error) from error


def _sweep(path: Path) -> None:
    """Remove what processes of this machine that were killed have left of the file."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        process = left.name.split(".")[-2]
        if process.isdecimal() and not lives(int(process)):
            left.unlink(missing_ok=True)


def lives(process: int) -> bool:
    """Whether a process of this machine is there; also where that cannot be told."""
    if os.name != "posix":  # elsewhere signal 0 is a signal
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


class Appender:
    """Appends rows to one file, each in the kernel's hands when ``append`` returns; safe to share between threads."""

    def __init__(self, path: Path) -> None:
        """Open the file, repairing a torn last line first."""
        repair(path)
        self._path = path
        self._file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE), "ab", buffering=0)
        path.chmod(PRIVATE)
        self._lock = threading.Lock()
        self._synced = time.monotonic()

    def append(self, row: Mapping[str, Any]) -> None:
        """Write one row."""
        line = encode(row)
        with self._lock:
            try:
                self._write_all(line)
                now = time.monotonic()
                if now - self._synced > FSYNC_SECONDS:
                    os.fsync(self._file.fileno())
                    self._synced = now
            except OSError as error:
                raise _explained(self._path, error) from error

    def _write_all(self, line: bytes) -> None:
        view = memoryview(line)
        while view:
            view = view[self._file.write(view) :]

    def close(self) -> None:
        """Flush to the disk and close."""
        with self._lock:
            if not self._file.closed:
                os.fsync(self._file.fileno())
                self._file.close()


def write_private_folder(folder: Path, notice: str = "") -> None:
    """Make a folder of private text: for its owner only whatever the umask, ignored by git, with a notice.

    What a kill or a full disk left half written is repaired.

    Raises:
        EhrbenchError: it cannot be made or written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise _explained(folder, error) from None
    for name, text in ((".gitignore", "*\n"), *((("NOTICE.txt", notice),) if notice else ())):
        content, file = text.encode(), folder / name
        if not file.is_file() or file.read_bytes() != content:
            write_atomically(file, content)


def _explained(path: Path, error: OSError) -> EhrbenchError:
    reason = "no space is left on the disk" if error.errno == errno.ENOSPC else (error.strerror or type(error).__name__)
    return EhrbenchError(f"cannot write {path}: {reason}; what is finished is kept; fix this and run the same command again")
