"""From the name of an lm-eval task, group or tag to its loaded tasks, without scanning lm-eval's 14,000 task files each time."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from ehrbench.errors import MissingError, UsageError, unknown_name
from ehrbench.home import home_dir
from ehrbench.models.lm_eval_package import require_lm_eval

log = logging.getLogger(__name__)

FEWSHOT_SEED = 1234
"""What ``lm_eval`` itself draws examples with."""


@lru_cache(maxsize=64)
def load_tasks(name: str, folders: tuple[str, ...] = ()) -> dict[str, Any]:
    """lm-eval's task objects by name.

    Args:
        name: of a task, a group or a tag.
        folders: further folders with task files; they come before lm-eval's own.

    Raises:
        MissingError: lm-eval is not installed, or the task's data set is not on this machine.
        UsageError: no such task, or one that lm-eval cannot load.
    """
    manager, known = _manager(name, folders)
    if name not in known:
        raise UsageError(unknown_name("lm-eval task", name, known))
    # lm-eval's registry of models and metrics prints and logs while it is imported and while data sets are read.
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            tasks: dict[str, Any] = manager.load([name])["tasks"]
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            kind = type(error).__name__
            if kind in ("DatasetNotFoundError", "OfflineModeIsEnabled", "LocalEntryNotFoundError") or isinstance(
                error, ConnectionError | FileNotFoundError
            ):
                raise MissingError(
                    f"lm-eval task '{name}': its data set is not on this machine ({kind}): fetch it on one with a network, with "
                    f"`hf download --repo-type dataset NAME`, and copy the hub cache: {reason}"
                ) from None
            raise UsageError(
                f"lm-eval {require_lm_eval()} cannot load task '{name}': {kind}: {reason}; correct the task file, or try another "
                "version of lm-eval or datasets"
            ) from None
    return tasks


def is_shipped(name: str, folders: Sequence[str]) -> bool:
    """Whether lm-eval itself ships the task, so that its data are published ones."""
    manager: Any = import_module("lm_eval.tasks").TaskManager
    return not folders or name not in manager(include_defaults=False, include_path=list(folders)).all_tasks


def _manager(name: str, folders: tuple[str, ...]) -> tuple[Any, Sequence[str]]:
    """A manager that knows the task's own folder alone, and every name there is."""
    require_lm_eval()
    manager: Any = import_module("lm_eval.tasks").TaskManager
    if folders:
        given = manager(include_defaults=False, include_path=list(folders))
        if name in given.all_tasks:
            if shipped := _shipped_members(name, given.task_index):  # later folders win, so the user's come last
                given = manager(include_defaults=False, include_path=[*shipped, *folders])
            return given, given.all_tasks
    index = _index()
    if name not in index:
        return None, sorted(index)
    return manager(include_defaults=False, include_path=index[name]), sorted(index)


def _shipped_members(group: str, known: Mapping[str, Any]) -> list[str]:
    """The folders of lm-eval's own tasks that a user's group lists.

    Raises:
        UsageError: the group lists a name that nobody has.
    """
    absent: set[str] = set()
    seen: set[str] = set()

    def visit(listed: Any) -> None:
        for member in listed if isinstance(listed, list) else [listed]:
            if isinstance(member, dict):
                if isinstance(member.get("task"), list):
                    visit(member["task"])
            elif member not in known:
                absent.add(str(member))
            elif member not in seen:
                seen.add(member)
                config = known[member].cfg or {}
                if isinstance(config.get("task"), list):
                    visit(config["task"])

    visit(group)
    if not absent:
        return []
    index = _index()
    for member in sorted(absent - set(index)):
        raise UsageError(f"lm-eval group '{group}': {unknown_name('task', member, {*index, *known})}")
    return sorted({folder for member in absent for folder in index[member]})


def _index() -> dict[str, list[str]]:
    """Every name that lm-eval ships, with the folders of its files; read once for each version of lm-eval."""
    kept = home_dir() / f"lm-eval-{require_lm_eval()}.json"
    root = Path(str(import_module("lm_eval.tasks").__file__)).parent
    try:
        relative: dict[str, list[str]] = json.loads(kept.read_text("utf-8"))
    except (OSError, ValueError):
        log.warning("reading the names of lm-eval's tasks, once (about ten seconds)")
        index: Any = import_module("lm_eval.tasks._index").TaskIndex.build([root])
        entries = {name: entry.yaml_path for name, entry in index.items() if entry.yaml_path is not None}
        relative = {name: [path.parent.relative_to(root).as_posix()] for name, path in entries.items()}
        for name, entry in index.items():
            if entry.yaml_path is None:  # a tag: the folders of the tasks that carry it
                relative[name] = sorted({relative[task][0] for task in entry.tags if task in relative})
        unfinished = kept.with_name(f"{kept.name}.{os.getpid()}")
        unfinished.write_text(json.dumps(relative), "utf-8")
        unfinished.replace(kept)
    return {name: [str(root / folder) for folder in folders] for name, folders in relative.items()}
