"""From what a module offers as a command to what Typer runs."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand


class OptionsCommand(TyperCommand):
    """A command whose options are the fields of a dataclass, and whose work is that dataclass's method ``run``."""

    def invoke(self, ctx: Any) -> None:
        """Make the dataclass of what was given, and let it run."""
        super().invoke(ctx).run()


def command_of(name: str, thing: Any) -> Any:
    """The command of a function with Typer's annotations, of a dataclass with a method ``run``, or of a ``typer.Typer``."""
    alone = typer.Typer(rich_markup_mode=None, add_completion=False)
    if isinstance(thing, typer.Typer):
        alone.add_typer(thing, name=name)
    else:
        alone.command(name, cls=OptionsCommand if isinstance(thing, type) else None)(thing)
    return typer.main.get_group(alone).commands[name]
