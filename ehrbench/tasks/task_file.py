"""What a task file means: one task or a table of them, layers of shared keys, and the two protocols.

A task's values come in layers, each laid over the one before: the included file, the file's ``defaults``, the task itself, and
for a protocol the ``protocol.<name>`` block of each of these. Mappings merge key by key; anything else, lists included, is
replaced.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ehrbench.errors import unknown_name
from ehrbench.tasks.yaml_file import KeyPath, Position, TaskFileError, YamlFile, read_yaml, shown

PROTOCOLS = ("clean", "paper")
FIXED = (("task",), ("group",), ("data", "policy"))
"""What a protocol cannot change: it is the same task on the same data. Its numbers may move alone, so it may have a version."""


_LM_EVAL_KEYS = (
    *("aggregate_metric_list", "custom_dataset", "dataset_kwargs", "dataset_name", "dataset_path", "doc_to_choice"),
    *("doc_to_target", "doc_to_text", "fewshot_config", "fewshot_split", "filter_list", "generation_kwargs", "gen_prefix"),
    *("group_alias", "metric_list", "num_fewshot", "output_type", "process_docs", "process_results", "repeats", "tag"),
    *("target_delimiter", "task_alias", "task_list", "test_split", "training_split", "use_prompt", "validation_split"),
    "weight_by_size",
)
"""Keys at the top of lm-eval's files that ours do not have."""
_LM_EVAL = re.compile(rf"""^["']?({"|".join(_LM_EVAL_KEYS)})["']?[ \t]*:""", re.MULTILINE)
_OURS = re.compile(r"^(data|defaults|metrics|primary|prompt|tasks)[ \t]*:", re.MULTILINE)
"""Keys at the top of our files that lm-eval's do not have: with one of them, a foreign key is a mistake in a file of ours."""
_LISTS = re.compile(
    r"""^["']?(?:task|include)["']?[ \t]*:[ \t]*(?:\[[^\]]*\]|(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*[ \t]*-[ \t])""", re.MULTILINE
)
"""A group of lm-eval's: its ``task`` is a list, ours is a name. So is what it includes."""
_INCLUDE = re.compile(r"""^["']?include["']?[ \t]*:[ \t]*["']?([^"'#\n]+?)["']?[ \t]*(?:#.*)?$""", re.MULTILINE)
_NAMES = re.compile(r"""^["']?(?:task|group|tag)["']?[ \t]*:[ \t]*["']?([\w.-]+)["']?[ \t]*(?:#.*)?$""", re.MULTILINE)


@dataclass(frozen=True)
class Layer:
    """One mapping of keys within a file."""

    file: YamlFile
    place: KeyPath
    """Where the mapping stands in the file."""
    value: Mapping[str, Any]

    def sub(self, *keys: str) -> Layer | None:
        """The layer of a mapping inside this one, if there is one."""
        value: Any = self.value
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return Layer(self.file, (*self.place, *keys), value) if isinstance(value, dict) else None

    def position(self, key: KeyPath = ()) -> Position:
        """The line of a key of this layer, or of the nearest thing around it."""
        return self.file.position((*self.place, *key))


@dataclass(frozen=True)
class RawTask:
    """A task as its file has it, not yet checked against the schema."""

    name: str
    layers: tuple[Layer, ...]
    """The included file, the defaults, the task itself; those that there are."""

    @property
    def position(self) -> Position:
        """Where the task is named."""
        return self.layers[-1].position(("task",))

    def groups(self) -> tuple[str, ...]:
        """The groups the task names and the dotted prefixes of its own name."""
        named = next((layer.value["group"] for layer in reversed(self.layers) if "group" in layer.value), None)
        parts = self.name.split(".")
        prefixes = [".".join(parts[:i]) for i in range(1, len(parts))]
        own = [group for group in named if isinstance(group, str)] if isinstance(named, list) else []
        return tuple(dict.fromkeys([*own, *prefixes]))

    def protocols(self) -> tuple[str, ...]:
        """``clean``, and ``paper`` where a layer has that block (it may be empty)."""
        has_paper = any(isinstance(block := layer.value.get("protocol"), dict) and "paper" in block for layer in self.layers)
        return PROTOCOLS if has_paper else PROTOCOLS[:1]

    def layers_of(self, protocol: str) -> list[Layer]:
        """Every layer that decides the task under a protocol, lowest first."""
        own = [part for layer in self.layers if (part := layer.sub("protocol", protocol))]
        return [*self.layers, *own]

    def resolve(self, protocol: str) -> dict[str, Any]:
        """The merged keys under a protocol."""
        merged: dict[str, Any] = {}
        for layer in self.layers_of(protocol):
            merged = merge(merged, layer.value)
        merged.pop("protocol", None)
        merged.pop("include", None)
        return merged

    def origin(self, protocol: str) -> dict[KeyPath, Position]:
        """For every key path of the resolved task, the file and line that decided it."""
        layers = self.layers_of(protocol)
        return {place: where(layers, place) for place in _places(self.resolve(protocol))}

    def problems(self) -> list[str]:
        """Faults of the ``protocol`` blocks."""
        found = []
        for layer in self.layers:
            block = layer.value.get("protocol")
            if block is None:
                continue
            if not isinstance(block, dict):
                found.append(f"{layer.position(('protocol',))}: expected a mapping of 'paper' and 'clean' for 'protocol'")
                continue
            for name, override in block.items():
                at = layer.position(("protocol", name))
                if name not in PROTOCOLS:
                    found.append(f"{at}: {unknown_name('protocol', name, PROTOCOLS)}")
                elif override is not None and not isinstance(override, dict):
                    found.append(f"{at}: expected a mapping of the keys that differ for 'protocol.{name}'")
                found += [
                    f"{layer.position(('protocol', name, *key))}: a protocol cannot change '{'.'.join(key)}'"
                    for key in FIXED
                    if has(override, key)
                ]
        return found


def merge(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid on ``under``: mappings merge, everything else is replaced."""
    merged = dict(under)
    for key, value in over.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def has(value: Any, place: KeyPath) -> bool:
    """Whether nested plain data has something at a place."""
    for key in place:
        if isinstance(value, dict) and key in value:
            value = value[str(key)]
        elif isinstance(value, list) and isinstance(key, int) and key < len(value):
            value = value[key]
        else:
            return False
    return True


def where(layers: list[Layer], place: KeyPath) -> Position:
    """The line of the last layer that has a place, else of the nearest place around it, else of the task."""
    while place:
        for layer in reversed(layers):
            if has(layer.value, place):
                return layer.position(place)
        place = place[:-1]
    task = next((layer for layer in reversed(layers) if "task" in layer.value), layers[-1])
    return task.position(("task",))


def _places(value: Any, place: KeyPath = ()) -> Iterator[KeyPath]:
    if place:
        yield place
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _places(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _places(inner, (*place, index))


def is_fragment(path: Path) -> bool:
    """Whether a file holds shared keys only, to be included by others: its name begins with an underscore."""
    return path.name.startswith("_")


def is_lm_eval_file(path: Path, depth: int = 5) -> bool:
    """Whether a file is in lm-eval's dialect: it has a key of its own, is a group of tasks, or includes such a file."""
    text = _text(path)
    if _OURS.search(text):
        return False
    if _LM_EVAL.search(text) or _LISTS.search(text):
        return True
    included = _INCLUDE.search(text)
    return included is not None and depth > 0 and is_lm_eval_file(path.parent / included[1], depth - 1)


def lm_eval_names(path: Path) -> set[str]:
    """The task, the group and the tag that a file in lm-eval's dialect names."""
    return set(_NAMES.findall(_text(path)))


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def read_task_file(path: Path, root: Path) -> list[RawTask]:
    """Read the tasks of one file; a fragment has none and is only checked to be YAML.

    Args:
        path: the file.
        root: the folder that an ``include`` must not leave.

    Raises:
        TaskFileError: with every fault found, each naming file and line.
    """
    file = read_yaml(path)
    if is_fragment(path):
        return []
    if not isinstance(file.value, dict):
        raise TaskFileError([f"{file.position()}: expected a mapping with 'task:' or 'tasks:'"])
    below = _included(file, root)
    if "tasks" in file.value:
        tasks, problems = _table(file, below)
    elif "task" in file.value:
        tasks, problems = _named(Layer(file, (), file.value), below)
    else:
        wanted = "expected 'task:' (one task) or 'tasks:' (a table); a file of shared keys is named with a leading '_'"
        raise TaskFileError([f"{file.position()}: {wanted}"])
    problems += [problem for task in tasks for problem in task.problems()]
    if problems:
        raise TaskFileError(dict.fromkeys(problems))
    return tasks


def _table(file: YamlFile, below: tuple[Layer, ...]) -> tuple[list[RawTask], list[str]]:
    allowed = ("defaults", "tasks", "include")
    problems = [
        f"{file.position((key,))}: {unknown_name('key', key, allowed)}; keys of every task go under 'defaults:'"
        for key in file.value
        if key not in allowed
    ]
    defaults, rows = file.value.get("defaults"), file.value["tasks"]
    if defaults is not None:
        if not isinstance(defaults, dict):
            problems.append(f"{file.position(('defaults',))}: expected a mapping for 'defaults'")
        else:
            below = (*below, Layer(file, ("defaults",), defaults))
            problems += [
                f"{file.position(('defaults', key))}: '{key}' has no place under 'defaults'"
                for key in ("task", "include")
                if key in defaults
            ]
    if not isinstance(rows, list) or not rows:
        return [], [*problems, f"{file.position(('tasks',))}: expected a list of tasks for 'tasks'"]
    tasks: list[RawTask] = []
    for index, row in enumerate(rows):
        place: KeyPath = ("tasks", index)
        if not isinstance(row, dict):
            problems.append(f"{file.position(place)}: expected a mapping of one task's keys")
            continue
        if "include" in row:
            problems.append(f"{file.position((*place, 'include'))}: 'include' stands at the top of a file, not in a row")
        named, faults = _named(Layer(file, place, row), below)
        tasks += named
        problems += faults
    return tasks, problems


def _named(layer: Layer, below: tuple[Layer, ...]) -> tuple[list[RawTask], list[str]]:
    name = layer.value.get("task")
    if not isinstance(name, str) or not name:
        return [], [f"{layer.position(('task',))}: expected a name for 'task'"]
    return [RawTask(name, (*below, layer))], []


def _included(file: YamlFile, root: Path) -> tuple[Layer, ...]:
    if "include" not in file.value:
        return ()
    named, at = file.value["include"], file.position(("include",))
    if not isinstance(named, str) or not named:
        raise TaskFileError([f"{at}: expected the name of one YAML file for 'include'"])
    target = (file.path.parent / named).resolve()
    if not target.is_relative_to(root.resolve()):
        raise TaskFileError([f"{at}: include '{named}' leaves the folder {shown(root)}"])
    if not target.is_file():
        raise TaskFileError([f"{at}: include '{named}': no such file in {shown(file.path.parent)}"])
    path = file.path.parent / named
    if target == file.path.resolve():
        raise TaskFileError([f"{at}: include cycle: the file includes itself"])
    other = read_yaml(path)
    if not isinstance(other.value, dict):
        raise TaskFileError([f"{other.position()}: expected a mapping of a task's keys; {at} includes this file"])
    if "include" in other.value:
        back = other.value["include"]
        if isinstance(back, str) and (path.parent / back).resolve() in (file.path.resolve(), target):
            raise TaskFileError([f"{at}: include cycle: {other.position(('include',))} includes '{back}' again"])
        raise TaskFileError(
            [f"{other.position(('include',))}: an included file includes no further one; {at} includes this file"]
        )
    if wrong := [key for key in ("task", "tasks", "defaults") if key in other.value]:
        why = f"'{wrong[0]}' has no place in an included file, which holds a task's keys only"
        raise TaskFileError([f"{other.position((wrong[0],))}: {why}; {at} includes this file"])
    return (Layer(other, (), other.value),)
