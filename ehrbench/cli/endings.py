"""How a command ends that cannot go on: one sentence, and an exit code of ehrbench/errors.py."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import NamedTuple

from ehrbench.errors import BUG_EXIT_CODE, EhrbenchError


class Ending(NamedTuple):
    """What is said, and the exit code."""

    said: str
    exit_code: int


def ending_of(error: BaseException) -> Ending:
    """The ending of an error; of a bug only the place, for a library may have put an item's text into its message."""
    if isinstance(error, EhrbenchError):
        return Ending(str(error), error.exit_code)
    if isinstance(error, OSError):
        return Ending(_said_of(error), 3 if isinstance(error, FileNotFoundError) else 2)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
    return Ending(f"this is a bug: {place}; EHRBENCH_DEBUG=1 shows it, and may quote a record", BUG_EXIT_CODE)


def _said_of(error: OSError) -> str:
    """A file that cannot be read or written is an accident of the machine's, not a bug."""
    name = str(error.filename) if error.filename is not None else "a file"
    shown = name if len(name) <= 300 else f"{name[:100]}… ({len(name)} characters)"
    reason = error.strerror or type(error).__name__
    return f"cannot use {shown}: {reason}; check the path, its permissions and the space on the disk, then run the command again"
