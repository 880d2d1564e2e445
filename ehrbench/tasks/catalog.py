"""Every task that can be run: the shipped ones, those of ``--include-path`` folders and those of installed plugins.

Loading reads the files and their names only; a task is checked against the schema when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from ehrbench.assets import asset_dir
from ehrbench.errors import UsageError, unknown_name
from ehrbench.tasks.task_file import RawTask, is_lm_eval_file, lm_eval_names, read_task_file, where
from ehrbench.tasks.yaml_file import KeyPath, Position, TaskFileError, shown

if TYPE_CHECKING:
    from ehrbench.tasks.schema import Protocol, TaskSpec

ENTRY_POINT_GROUP = "ehrbench.tasks"


@dataclass(frozen=True)
class Catalog:
    """Tasks by name."""

    raw: Mapping[str, RawTask]
    """In the order of the files: shipped, plugins, include paths."""
    folders: tuple[Path, ...] = ()
    """The include paths, which may hold lm-eval's task files too."""
    outside: tuple[Path, ...] = ()
    """lm-eval's task files among them."""
    _specs: dict[tuple[str, str], TaskSpec] = field(default_factory=dict, repr=False, compare=False)

    def names(self) -> list[str]:
        """Every task's name, in the order of the files."""
        return list(self.raw)

    def groups(self) -> dict[str, list[str]]:
        """Every group with the names of its tasks."""
        members: dict[str, list[str]] = {}
        for task in self.raw.values():
            for group in task.groups():
                members.setdefault(group, []).append(task.name)
        return dict(sorted(members.items()))

    def tasks(self, protocol: Protocol = "clean") -> list[TaskSpec]:
        """Every task under a protocol, checked; tasks that do not have the protocol are left out."""
        return self._checked((name for name, task in self.raw.items() if protocol in task.protocols()), protocol)

    def get(self, name: str, protocol: Protocol = "clean") -> TaskSpec:
        """One task with the protocol's overrides applied.

        Raises:
            UsageError: no such task or protocol, or the task does not pass the checks; the message has file and line.
        """
        if (name, protocol) not in self._specs:
            self._specs[name, protocol] = _build(self._find(name), protocol)
        return self._specs[name, protocol]

    def select(self, expression: str, protocol: Protocol = "clean") -> list[TaskSpec]:
        """The tasks of a comma list of names, groups and globs (``suite,suite.category,other.*``), each once.

        A name that is both a task and a group means the task.

        Raises:
            UsageError: a part that matches nothing, with close names, or a task that does not pass the checks.
        """
        outside = [part.strip() for part in expression.split(",") if part.strip().startswith("lm_eval:")]
        if not outside:
            return self._checked(self.match(expression), protocol)
        from ehrbench.tasks.lm_eval import select_lm_eval

        ours = ",".join(part for part in expression.split(",") if not part.strip().startswith("lm_eval:"))
        found = self._checked(self.match(ours), protocol) if ours else []
        return [*found, *(spec for part in outside for spec in select_lm_eval(part, self.folders))]

    def match(self, expression: str) -> list[str]:
        """The names that ``select`` would give, without checking the tasks."""
        groups = self.groups()
        found: dict[str, None] = {}
        for part in (piece.strip() for piece in expression.split(",")):
            if not part:
                raise UsageError(f"tasks '{expression}' has an empty part: give names, groups or globs, separated by commas")
            names = self._matching(part, groups)
            if not names:
                if path := next((path for path in self.outside if part in lm_eval_names(path)), None):
                    raise UsageError(f"'{part}' is lm-eval's ({shown(path)}): ask for it as lm_eval:{part}")
                raise UsageError(unknown_name("task or group", part, {*self.raw, *groups}))
            found.update(dict.fromkeys(names))
        return list(found)

    def origin(self, name: str, protocol: Protocol = "clean") -> dict[KeyPath, Position]:
        """For every key path of the resolved task, the file and line that decided it. Defaults of the schema have none."""
        return self._find(name).origin(protocol)

    def _find(self, name: str) -> RawTask:
        if name not in self.raw:
            raise UsageError(unknown_name("task", name, self.raw))
        return self.raw[name]

    def _matching(self, part: str, groups: Mapping[str, Sequence[str]]) -> Sequence[str]:
        if part in self.raw:
            return [part]
        if part in groups:
            return groups[part]
        if not any(sign in part for sign in "*?["):
            return []
        direct = [name for name in self.raw if fnmatchcase(name, part)]
        return direct or [name for group, names in groups.items() if fnmatchcase(group, part) for name in names]

    def _checked(self, names: Iterable[str], protocol: Protocol) -> list[TaskSpec]:
        specs: list[TaskSpec] = []
        problems: list[str] = []
        for name in names:
            try:
                specs.append(self.get(name, protocol))
            except TaskFileError as error:
                problems += error.problems
        if problems:
            raise TaskFileError(dict.fromkeys(problems))
        return specs


def load_tasks(
    tasks: str | Sequence[str] | None = None, protocol: Protocol = "clean", include_paths: Sequence[Path | str] = ()
) -> list[TaskSpec]:
    """Tasks by name, group or glob, checked; ``None``: all that have the protocol.

    Args:
        tasks: a list, or one text with commas.
        protocol: ``clean`` or ``paper``.
        include_paths: folders with further task files.

    Raises:
        UsageError: a part that matches nothing, or a task that does not pass the checks.
    """
    catalog = load_catalog([Path(path) for path in include_paths])
    if tasks is None:
        return catalog.tasks(protocol)
    return catalog.select(tasks if isinstance(tasks, str) else ",".join(tasks), protocol)


def load_catalog(include_paths: Sequence[Path] = ()) -> Catalog:
    """Find the tasks of every source.

    Args:
        include_paths: folders, searched with their subfolders, or single YAML files.

    Raises:
        UsageError: a folder that is missing, a file that is broken, or a task that two files define; all of them at once.
    """
    catalog, problems = read_catalog(include_paths)
    if problems:
        raise TaskFileError(problems)
    return catalog


def read_catalog(include_paths: Sequence[Path] = ()) -> tuple[Catalog, list[str]]:
    """As ``load_catalog``, but faults of files are returned beside the tasks of the files that have none.

    Raises:
        UsageError: a folder that is missing, a plugin that does not load.
    """
    found: dict[str, RawTask] = {}
    problems: list[str] = []
    outside: list[Path] = []
    for root, files in _sources(include_paths):
        for path in files:
            if is_lm_eval_file(path):  # reached by lm_eval:NAME
                outside.append(path)
                continue
            try:
                tasks = read_task_file(path, root)
            except TaskFileError as error:
                problems += error.problems
                continue
            for task in tasks:
                first = found.setdefault(task.name, task)
                if first is not task and first.position != task.position:
                    problems.append(f"{task.position}: task '{task.name}' is already defined in {first.position}; rename one")
    return Catalog(found, tuple(include_paths), tuple(outside)), list(dict.fromkeys(problems))


def _sources(include_paths: Sequence[Path]) -> Iterator[tuple[Path, list[Path]]]:
    """Each source's folder with its files; a file that two sources reach is read once."""
    seen: set[Path] = set()
    roots = [asset_dir("tasks"), *(_plugin_folder(entry) for entry in entry_points(group=ENTRY_POINT_GROUP)), *include_paths]
    for root in roots:
        if root.is_file():
            root, files = root.parent, [root]
        elif root.is_dir():
            files = sorted(path for suffix in ("*.yaml", "*.yml") for path in root.rglob(suffix) if not _hidden(path, root))
        else:
            raise UsageError(f"task folder {shown(root)} does not exist")
        fresh = [path for path in files if path.resolve() not in seen]
        seen.update(path.resolve() for path in fresh)
        yield root, fresh


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)


def _plugin_folder(entry: EntryPoint) -> Path:
    """The folder an entry point names: a package, a path, or a function that returns a path."""
    try:
        thing = entry.load()
        if callable(thing):
            thing = thing()
        elif hasattr(thing, "__path__"):
            thing = next(iter(thing.__path__))
        return Path(thing)
    except Exception as error:
        kind = type(error).__name__
        raise UsageError(
            f"task plugin '{entry.name}' ({entry.value}) gives no folder of tasks: {kind}; repair or uninstall it"
        ) from error


def _build(task: RawTask, protocol: str) -> TaskSpec:
    from pydantic import ValidationError

    from ehrbench.tasks.problems import name_problems, prompt_problems, schema_problems
    from ehrbench.tasks.schema import TaskSpec

    if protocol not in task.protocols():
        names = ", ".join(task.protocols())
        raise UsageError(f"task '{task.name}' has no protocol '{protocol}' (it has: {names}); {task.position} would define it")
    layers = task.layers_of(protocol)

    def place(key: KeyPath) -> Position:
        return where(layers, key)

    values = task.resolve(protocol)
    more = [*name_problems(values, place), *prompt_problems(values, place)]
    try:
        spec = TaskSpec.model_validate(values)
    except ValidationError as error:
        raise TaskFileError([*schema_problems(error.errors(include_url=False), TaskSpec, place), *more]) from None
    if more:
        raise TaskFileError(more)
    return spec
