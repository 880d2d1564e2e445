"""Named things (readers, models, metrics …) that the core, a suite or an installed plugin adds, loaded when first asked for."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar, cast

from ehrbench.errors import UsageError, unknown_name

T = TypeVar("T")
SUITES_GROUP = "ehrbench.suites"
"""The package of the shipped suites, and the entry point group of others': each an object ``SUITE``."""


@dataclass(frozen=True)
class Suite:
    """A benchmark's registration: plain data, so that importing it loads none of its code."""

    name: str
    """First part of its tasks' names."""
    title: str
    """As its paper writes it."""
    about: str = ""
    """What is asked and of whom, in a sentence or two."""
    entries: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Kind of thing (``reader``, ``metric`` …) to name to ``"module:attribute"``."""


@lru_cache(maxsize=1)
def suites() -> Mapping[str, Suite]:
    """Every suite by name: those shipped in ``ehrbench.suites``, and those that other packages name as entry points.

    Raises:
        UsageError: two suites of one name, or a plugin's object that is not a ``Suite``.
    """
    package = import_module(SUITES_GROUP)
    found: dict[str, Suite] = {}
    for module in pkgutil.iter_modules(package.__path__):
        if module.ispkg:
            suite: Suite = import_module(f"{SUITES_GROUP}.{module.name}").SUITE
            found[suite.name] = suite
    for entry in entry_points(group=SUITES_GROUP):
        other: Any = entry.load()
        if not isinstance(other, Suite):
            raise UsageError(
                f"suite plugin '{entry.name}' ({entry.value}) is a {type(other).__name__}; expected an ehrbench Suite"
            )
        if other.name in found:
            raise UsageError(f"suite '{other.name}' is there twice, the second from '{entry.value}': uninstall or rename one")
        found[other.name] = other
    return found


class Registry(Generic[T]):
    """Names to things of one kind; a clash of names is an error, never a silent replacement."""

    def __init__(
        self,
        kind: str,
        builtin: Mapping[str, str] | None = None,
        entry_point_group: str | None = None,
        families: Mapping[str, str] | None = None,
        expected: type | None = None,
    ) -> None:
        """Start from the built-in things; suites and plugins are looked up on first use.

        Args:
            kind: what the things are, for messages ("metric"); suites list theirs under it.
            builtin: name to ``"module:attribute"``.
            entry_point_group: the group under which other packages add entries ("ehrbench.metrics").
            families: prefix of names to ``"module:function"``, which makes the thing of such a name.
            expected: the class of every thing, where they share one; a plugin's thing of another class is refused by name.
        """
        self.kind = kind
        self._targets: dict[str, str | T] = dict(builtin or {})
        self._group = entry_point_group
        self._suites_read = False
        self._plugins_read = entry_point_group is None
        self._families = dict(families or {})
        self._expected = expected

    def register(self, name: str, thing: T) -> None:
        """Add one entry; a second entry of the same name is refused.

        Raises:
            UsageError: the name is taken, or the thing is not of this registry's class.
        """
        self._read_suites()
        self._read_plugins()
        if name in self._targets:
            raise UsageError(f"{self.kind} '{name}' is registered twice")
        self._check(name, thing, "registered in this process")
        self._targets[name] = thing

    def get(self, name: str) -> T:
        """Return the entry, importing it on first use.

        Raises:
            UsageError: no such name (the message lists close ones), or a plugin's entry that is not what this kind needs.
        """
        self._read_suites()
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
            thing = cast(T, getattr(import_module(module), attribute))
            self._check(name, thing, f"'{target}'")
            target = self._targets[name] = thing
        return target

    def __contains__(self, name: str) -> bool:
        self._read_suites()
        if name in self._targets:
            return True
        self._read_plugins()
        return name in self._targets or self._family(name) is not None

    def __iter__(self) -> Iterator[str]:
        self._read_suites()
        self._read_plugins()
        return iter(sorted(self._targets))

    def _family(self, name: str) -> str | None:
        return next((maker for prefix, maker in self._families.items() if name.startswith(prefix)), None)

    def _check(self, name: str, thing: object, source: str) -> None:
        if self._expected is not None and not isinstance(thing, self._expected):
            raise UsageError(
                f"{self.kind} '{name}' ({source}) is a {type(thing).__name__}; expected a {self._expected.__name__}, as "
                "docs/extending.md makes one"
            )

    def _add(self, name: str, target: str, source: str) -> None:
        if name in self._targets:
            raise UsageError(
                f"{self.kind} '{name}' is defined by ehrbench and again by {source}: rename one or uninstall the plugin"
            )
        self._targets[name] = target

    def _read_suites(self) -> None:
        if self._suites_read:
            return
        self._suites_read = True
        for suite in suites().values():
            for name, target in suite.entries.get(self.kind, {}).items():
                self._add(name, target, f"the suite '{suite.name}'")

    def _read_plugins(self) -> None:
        if self._plugins_read or self._group is None:
            return
        self._plugins_read = True
        for entry in entry_points(group=self._group):
            self._add(entry.name, entry.value, f"'{entry.value}'")
