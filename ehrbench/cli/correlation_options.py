"""Options and cells that human-stats, correlate and agreement share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from ehrbench.correlation.options import Options


def parse_options(*, units: Sequence[str] = ("items", "patients", "both"), **given: Any) -> Options:
    """The command's arguments, checked.

    Args:
        units: what may be resampled.
        given: fields of ``Options``.

    Raises:
        UsageError: a value that is none of the legal ones.
    """
    from ehrbench.correlation.options import NAN_POLICIES, TAUS, Options
    from ehrbench.correlation.ratings import TRIPLES
    from ehrbench.errors import UsageError

    legal = {
        "tau": ("--tau", TAUS),
        "nan_policy": ("--nan-policy", NAN_POLICIES),
        "triples": ("--triples", TRIPLES),
        "unit": ("--resample", tuple(units)),
        "level": ("--level", ("item", "model")),
    }
    for name, value in given.items():
        if value is not None and name in legal and value not in legal[name][1]:
            flag, values = legal[name]
            raise UsageError(f"{flag} is '{value}': expected {', '.join(values)}")
    return Options(**given)


def print_notes(notes: Sequence[str]) -> None:
    """Print what was odd, on standard error."""
    for note in notes:
        typer.echo(f"note: {note}", err=True)
