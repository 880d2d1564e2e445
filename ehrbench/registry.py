"""A registry of named things that are imported only when they are asked for.

Every plugin point of the package (readers, models, metrics, answer clean-ups, tasks) is one ``Registry``: our own entries are
``"module:attribute"`` strings, other packages add theirs through an entry-point group.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from ehrbench.errors import UsageError, unknown_name

T = TypeVar("T")


class Registry(Generic[T]):
    """Names mapped to lazily imported objects of one kind."""

    def __init__(
        self,
        kind: str,
        builtin: Mapping[str, str],
        entry_point_group: str | None = None,
        families: Mapping[str, str] | None = None,
    ) -> None:
        """Make a registry.

        Args:
            kind: what the names name, used in messages ("metric").
            builtin: name to ``"module:attribute"``.
            entry_point_group: the group under which other packages add entries ("ehrbench.metrics").
            families: prefix of names to ``"module:function"``, which makes the thing of such a name.
        """
        self.kind = kind
        self._targets: dict[str, str | T] = dict(builtin)
        self._group = entry_point_group
        self._plugins_read = entry_point_group is None
        self._families = dict(families or {})

    def register(self, name: str, thing: T) -> None:
        """Add one entry; a second entry of the same name is refused."""
        self._read_plugins()
        if name in self._targets:
            raise UsageError(f"{self.kind} '{name}' is registered twice")
        self._targets[name] = thing

    def get(self, name: str) -> T:
        """Return the entry, importing it on first use.

        Raises:
            UsageError: no such name; the message lists close ones.
        """
        if name not in self._targets:
            self._read_plugins()
        if name not in self._targets and (maker := self._family(name)):
            module, _, attribute = maker.partition(":")
            self._targets[name] = cast(T, getattr(import_module(module), attribute)(name))
        if name not in self._targets:
            raise UsageError(unknown_name(self.kind, name, self._targets))
        target = self._targets[name]
        if isinstance(target, str):
            module, _, attribute = target.partition(":")
            target = self._targets[name] = cast(T, getattr(import_module(module), attribute))
        return target

    def __contains__(self, name: str) -> bool:
        if name in self._targets:
            return True
        self._read_plugins()
        return name in self._targets or self._family(name) is not None

    def __iter__(self) -> Iterator[str]:
        self._read_plugins()
        return iter(sorted(self._targets))

    def _family(self, name: str) -> str | None:
        return next((maker for prefix, maker in self._families.items() if name.startswith(prefix)), None)

    def _read_plugins(self) -> None:
        if self._plugins_read or self._group is None:
            return
        self._plugins_read = True
        for entry in entry_points(group=self._group):
            if entry.name in self._targets:
                raise UsageError(
                    f"{self.kind} '{entry.name}' is defined by ehrbench and again by "
                    f"'{entry.value}': rename one or uninstall the plugin"
                )
            self._targets[entry.name] = entry.value
