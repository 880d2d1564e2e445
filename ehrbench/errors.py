"""The errors a user can mend: one sentence that names the thing, what was expected and the next step.

Each class carries the process's exit code. No message holds a patient's text: name the file, the line or the item id.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EhrbenchError(Exception):
    """A failure that is explained in one sentence, without a traceback."""

    exit_code = 2


class UsageError(EhrbenchError):
    """A wrong argument, task file or configuration."""

    exit_code = 2


class MissingError(EhrbenchError):
    """Data, weights or an optional package that are not on this machine."""

    exit_code = 3


class MissingDataError(MissingError):
    """A task's data that are not on this machine."""


class PolicyError(EhrbenchError):
    """Refused, because a data policy forbids it."""

    exit_code = 4


INCOMPLETE_EXIT_CODE = 5
"""A run finished, with items that have no answer."""

INTERRUPTED_EXIT_CODE = 130
"""A run was stopped; the same command continues it."""
BUG_EXIT_CODE = 1
_FROM_BEST = (0, INCOMPLETE_EXIT_CODE, 2, 3, 4, BUG_EXIT_CODE)


def worst_exit_code(codes: Iterable[int]) -> int:
    """The code of several endings together: what did not run at all is worse than what has items without an answer."""
    return max(codes, key=_FROM_BEST.index, default=0)


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is unknown and which known names are close to it.

    Args:
        kind: what the name names, for instance ``metric``.
        name: the unknown name.
        known: every legal name.
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f"unknown {kind} '{name}' (did you mean {' or '.join(repr(c) for c in close)}?)"
    shown = ", ".join(names[:20]) + (f", … {len(names)} in all" if len(names) > 20 else "")
    return f"unknown {kind} '{name}' (known: {shown or 'none'})"
