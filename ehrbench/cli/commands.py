"""From what a module offers as a command to what Typer runs."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperCommand


class OptionsCommand(TyperCommand):
    """A command whose options are the fields of a dataclass, and whose work is that dataclass's method ``run``."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Print the options in groups: Typer does so only with its boxes, which this command line does without."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if (shown := param.get_help_record(ctx)) is not None:
                usual = "Arguments" if param.param_type_name == "argument" else "Options"
                groups.setdefault(getattr(param, "rich_help_panel", None) or usual, []).append(shown)
        for heading, rows in groups.items():
            with formatter.section(heading):
                formatter.write_dl(rows)

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
