"""What people call suites, categories and tasks, and what is said of them: from the suites' and tasks' own files."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from ehrbench.assets import asset_dir
from ehrbench.errors import UsageError
from ehrbench.leaderboard.text import show
from ehrbench.registry import suites
from ehrbench.results.groups import load_groups
from ehrbench.tasks.catalog import read_catalog

SUITE_FILE = "_suite.yaml"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Example(_Part):
    """One invented item, so that a reader sees what is asked."""

    task: str
    """A task, or what the names of several begin with."""
    question: str
    answer: str


class SuiteInfo(_Part):
    """What the site says of a suite."""

    suite: str
    title: str = ""
    """Where its registration has none."""
    description: str = ""
    paper: str = ""
    access: str = ""
    licence: str = ""
    categories: dict[str, str] = {}
    """Titles of categories, by the part of a task's name that stands after the suite's."""
    examples: tuple[Example, ...] = ()


class _File(_Part):
    suites: list[SuiteInfo]


class TaskInfo(_Part):
    """What the site says of a task."""

    title: str
    description: str = ""
    cite: str = ""
    cite_data: str = ""
    source: str = ""


class Names:
    """Titles with the ids as what remains where a file says nothing."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        """Read the shipped files, and those of ``folders`` (the user's tasks)."""
        self._suites = suite_infos(tuple(folders))
        self._catalog, self.problems = read_catalog(list(folders))
        self._tasks: dict[str, TaskInfo] = {}
        self._categories: dict[str, dict[str, str]] = {}
        self._shared: dict[str, bool] = {}

    def policy(self, task: str) -> str | None:
        """The data policy of a task; None for one that no file describes."""
        return self._catalog.get(task).data.policy if task in self._catalog.raw else None

    def suite(self, suite: str) -> SuiteInfo:
        """A suite, from its file and its registration; its id where it has neither."""
        info = self._suites.get(suite) or SuiteInfo(suite=suite)
        known = suites().get(suite)
        title = info.title or (known.title if known else show(suite, 40))
        return info.model_copy(update={"title": title, "description": info.description or (known.about if known else "")})

    def suite_title(self, suite: str) -> str:
        """A suite as people call it."""
        return show(self.suite(suite).title, 40)

    def task(self, task: str) -> TaskInfo:
        """A task; a title made from its id where no file has one."""
        if task not in self._tasks:
            self._tasks[task] = self._read(task)
        return self._tasks[task]

    def category(self, suite: str, category: str) -> str:
        """A category of a suite's tasks."""
        if suite not in self._categories:
            groups = load_groups(suite)
            titles = {part.group: part.title for part in groups.groups} if groups else {}
            self._categories[suite] = {name.removeprefix(f"{suite}."): title for name, title in titles.items()}
        own = self.suite(suite).categories.get(category) or self._categories[suite].get(category)
        return show(own or _readable(category), 48) or "other tasks"

    def shares_patients(self, suite: str) -> bool:
        """Whether the same patients stand behind several tasks of the suite."""
        if suite not in self._shared:
            groups = load_groups(suite)
            self._shared[suite] = groups is not None and groups.resample == "shared"
        return self._shared[suite]

    def example(self, suite: str, task: str) -> Example | None:
        """An invented item of the task: that of the longest name that fits."""
        fitting = [e for e in self.suite(suite).examples if task == e.task or task.startswith(f"{e.task}.")]
        return max(fitting, key=lambda e: len(e.task), default=None)

    def _read(self, task: str) -> TaskInfo:
        raw = self._catalog.raw.get(task)
        if raw is None:
            return TaskInfo(title=self._group_title(task))
        said: dict[str, Any] = {}
        for layer in raw.layers:
            said |= {key: str(layer.value[key]) for key in ("title", "description", "cite", "cite_data") if layer.value.get(key)}
            data = layer.value.get("data")
            said |= {"source": str(data["source"])} if isinstance(data, dict) and data.get("source") else {}
        return TaskInfo(title=show(said.pop("title", "") or _last(task), 80), **{k: show(v, 400) for k, v in said.items()})

    def _group_title(self, task: str) -> str:
        suite = task.partition(".")[0]
        groups = load_groups(suite)
        found = next((part.title for part in groups.groups if part.group == task), None) if groups else None
        return show(found, 80) if found else _last(task)


@lru_cache(maxsize=8)
def suite_infos(folders: tuple[Path, ...] = ()) -> dict[str, SuiteInfo]:
    """Every suite that describes itself, by its name; the later of two files counts.

    Raises:
        UsageError: a file is broken; the message names file and key.
    """
    found: dict[str, SuiteInfo] = {}
    for root in (asset_dir("tasks"), *folders):
        for path in sorted(root.rglob(SUITE_FILE)) if root.is_dir() else ():
            try:
                data = yaml.safe_load(path.read_text(encoding="utf-8"))
                infos = _File.model_validate(data).suites
            except ValidationError as error:
                first = error.errors(include_input=False, include_url=False)[0]
                raise UsageError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
            except (yaml.YAMLError, UnicodeDecodeError) as error:
                raise UsageError(f"{path} is not YAML ({type(error).__name__})") from None
            found |= {info.suite: info for info in infos}
    return found


def _last(task: str) -> str:
    return _readable(show(task, 100).rpartition(".")[2]) or show(task, 80) or "unnamed task"


def _readable(name: str) -> str:
    plain = show(name, 80).replace("_", " ").strip()
    return plain[:1].upper() + plain[1:]
