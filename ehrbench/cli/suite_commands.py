"""Commands that suites add to a group, found when the group is first looked into, so that other commands start without them."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from ehrbench.cli.commands import command_of
from ehrbench.registry import Registry

COMMANDS: Registry[Any] = Registry("command")
"""By place ("data prepare NAME"): a function with Typer's annotations, or a ``typer.Typer`` of several."""


class SuiteGroup(TyperGroup):
    """A group of commands with those of the suites."""

    place = ""
    """Its words after ``ehrbench``."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        self._mount()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """One command by name."""
        if cmd_name not in self.commands:
            self._mount()
        return super().get_command(ctx, cmd_name)

    def _mount(self) -> None:
        for path in COMMANDS:
            group, _, name = path.rpartition(" ")
            if group == self.place and name not in self.commands:
                self.commands[name] = command_of(name, COMMANDS.get(path))


def suite_group(place: str) -> type[SuiteGroup]:
    """The class of the group at a place ("data prepare")."""
    return type("SuiteGroup", (SuiteGroup,), {"place": place})
