"""Submissions: a benchmark's own files of answers, which the suite that knows them scores."""

from __future__ import annotations

from collections.abc import Callable

from ehrbench.errors import UsageError
from ehrbench.registry import Registry
from ehrbench.scoring.groups import Scored

SUBMISSIONS: Registry[Callable[..., list[Scored]]] = Registry("submission")
"""By suite: ``(path, suite, catalog, *, protocol, name, data_dir, out, progress)`` to what was scored."""


def only_suite() -> str:
    """The suite that submissions are of where the user names none.

    Raises:
        UsageError: there are several.
    """
    known = list(SUBMISSIONS)
    if len(known) != 1:
        raise UsageError(f"several suites have submissions; name one with --suite: {', '.join(known)}")
    return known[0]
