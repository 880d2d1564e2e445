"""What a command says while it works: warnings always, each item's state with ``--verbose``, each attempt in ``--log-file``.

Item ids, classes of failures and numbers only: nothing that is logged anywhere in the package holds a text of an item.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print the outcome of each item as it ends.", rich_help_panel="Output")
]
LogFile = Annotated[
    Path | None,
    typer.Option(
        "--log-file",
        help="Write item ids, outcomes and attempts with their times to this file; it holds no text of any item.",
        rich_help_panel="Output",
    ),
]


if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[TextIO]
else:
    _StreamHandler = logging.StreamHandler  # not subscriptable on Python 3.10


class _Stderr(_StreamHandler):
    """Writes to whatever standard error is at the time: a progress bar puts itself in its place."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


def start_logging(verbose: bool = False, log_file: Path | None = None) -> None:
    """Send the package's log to standard error and, from debugging on, to a file that only its owner can read.

    Raises:
        UsageError: the file cannot be written.
    """
    from ehrbench.errors import UsageError

    shown = _Stderr()
    shown.setLevel(logging.INFO if verbose else logging.WARNING)
    shown.setFormatter(logging.Formatter("ehrbench: %(message)s"))
    handlers: list[logging.Handler] = [shown]
    if log_file is not None:
        try:
            descriptor = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise UsageError(f"--log-file {log_file}: cannot be written ({error.strerror}); give another place") from None
        written = logging.StreamHandler(os.fdopen(descriptor, "a", encoding="utf-8"))
        written.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        handlers.append(written)
    logger = logging.getLogger("ehrbench")
    logger.handlers[:] = handlers
    logger.setLevel(logging.DEBUG if log_file is not None else logging.INFO if verbose else logging.WARNING)
