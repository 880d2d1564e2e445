"""Results of groups of tasks: a category's average, with what stands behind it and how much of it is there.

What a group is stands in a YAML file beside the tasks, ``tasks/<suite>/_groups.yaml``; ``docs/protocols.md`` explains its keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ehrbench.assets import asset_dir
from ehrbench.errors import UsageError
from ehrbench.hashing import hash_data
from ehrbench.jsonl import write_atomically
from ehrbench.results.schema import MetricResult, ModelInfo, Outcome, Result

GROUPS_FILE = "_groups.yaml"
SUFFIX = ".groups.json"
AVERAGES_TRACK = "averages over tasks"
"""The track of a group's numbers among results: a task's and a group's are never ranked together."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GroupScore(_Part):
    """One number of a group."""

    label: str
    metric: str
    """``primary``, or a pattern (``bleu_1*``) of which each task has one metric, its first that matches."""
    where: Literal["all", "present"] = "all"
    """``present``: tasks without such a metric are no gap."""


class Pooled(_Part):
    """A group that counts as one member, its tasks' items put together."""

    pooled: str
    """Names, groups or globs, as for ``tasks``."""


class GroupDefinition(_Part):
    """One group of a suite."""

    group: str
    """Its name; that of a group of tasks where it is all of one."""
    title: str
    tasks: Annotated[list[str | Pooled], Field(min_length=1)]
    """Names, groups or globs of tasks; each task is a member."""
    scores: Annotated[list[GroupScore], Field(min_length=1)]
    combine: Literal["mean", "pooled", "none"] = "mean"
    """The unweighted mean over members; the value of all items put together; or nothing, the members stand side by side."""
    column: bool = True
    """Whether it is one of the suite's main columns."""
    protocols: tuple[Literal["clean", "paper"], ...] = ("clean", "paper")


class SuiteGroups(_Part):
    """The groups of a suite."""

    suite: str
    resample: Literal["task", "shared"] = "task"
    """``shared``: the same patients stand behind several tasks, whose values are then taken for correlated."""
    unit: str | None = None
    """What an interval leaves out one by one, in the plural ("patients")."""
    groups: Annotated[list[GroupDefinition], Field(min_length=1)]


class GroupMember(_Part):
    """One task behind a group's number."""

    task: str
    config_hash: str = ""
    n_items: int | None = None
    partial: bool = False
    """It ran on fewer items than the release has."""
    metrics: list[MetricResult] = Field(default_factory=list)
    """Its metric for each of the group's scores, in their order; absent ones have a reason."""
    missing: str | None = None
    """Why it has no number."""


class GroupResult(_Part):
    """A group's numbers for one model."""

    schema_version: Literal[1] = 1
    kind: Literal["group"] = "group"
    group: str
    title: str
    suite: str
    protocol: Literal["clean", "paper"]
    track: str = ""
    prompt: str = "default"
    model: ModelInfo
    combine: Literal["mean", "pooled", "none"]
    column: bool = True
    synthetic: bool = False
    data_policy: Literal["open", "credentialed"] = "open"
    n_tasks: int
    """Tasks that have a number."""
    n_tasks_expected: int
    n_items: int
    """Items behind the numbers."""
    n_groups: int | None = None
    """Clusters (patients) that the intervals rest on."""
    outcomes: dict[Outcome, int] = Field(default_factory=dict)
    partial: bool
    """Some tasks or items are missing: the number is none of the paper's kind."""
    scores: list[MetricResult]
    """One for each of the definition's scores; empty where ``combine`` is ``none``."""
    members: list[GroupMember]
    caveats: list[str] = Field(default_factory=list)
    environment: dict[str, Any] = Field(default_factory=dict)
    command: str = ""

    @model_validator(mode="after")
    def _counted(self) -> GroupResult:
        if self.n_tasks > self.n_tasks_expected:
            raise ValueError(f"group '{self.group}': {self.n_tasks} of {self.n_tasks_expected} tasks")
        return self


def as_result(group: GroupResult) -> Result | None:
    """A main column's numbers as a result, to stand beside a paper's averages; None for another group or without one."""
    scores = [score for score in group.scores if score.value is not None]
    if not scores or not group.column:
        return None
    members = [member for member in group.members if member.missing is None]
    config_hash = hash_data([group.group, group.combine, sorted((member.task, member.config_hash) for member in members)])
    tracks = [group.track, AVERAGES_TRACK, "partial" if group.partial else ""]
    tasks = f"{group.n_tasks} of {group.n_tasks_expected}" if group.partial else str(group.n_tasks)
    how = "Items of" if group.combine == "pooled" else "Unweighted mean of"
    signature = [
        config_hash[:16],
        f"group:{group.group}",
        f"protocol:{group.protocol}",
        f"combine:{group.combine}",
        f"tasks:{tasks}",
    ]
    return Result(
        task=group.group,
        suite=group.suite,
        protocol=group.protocol,
        track=", ".join(filter(None, tracks)),
        prompt=group.prompt,
        model=group.model,
        config_hash=config_hash,
        signature="|".join(signature),
        data_policy=group.data_policy,
        synthetic=group.synthetic,
        n_items=group.n_items,
        n_groups=group.n_groups,
        outcomes=group.outcomes,
        metrics=scores,
        primary=scores[0].name,
        environment=group.environment,
        caveats=[f"{how} {tasks} tasks.", *group.caveats],
        command=group.command,
    )


def load_groups(suite: str, folders: Sequence[Path] = ()) -> SuiteGroups | None:
    """The groups that a suite defines; None where it defines none.

    Args:
        suite: the first part of its tasks' names.
        folders: searched before the shipped tasks.

    Raises:
        UsageError: the file is broken; the message names file and key.
    """
    for root in (*folders, asset_dir("tasks")):
        path = root / suite / GROUPS_FILE
        if path.is_file():
            return read_groups(path)
    return None


def read_groups(path: Path) -> SuiteGroups:
    """Read a file of groups; raises UsageError with file and key."""
    from ehrbench.tasks.yaml_file import read_yaml

    file = read_yaml(path)
    try:
        return SuiteGroups.model_validate(file.value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = tuple(part for part in first["loc"] if isinstance(part, (int, str)))
        raise UsageError(f"{file.position(place[:2])}: {'.'.join(map(str, place)) or 'the file'}: {first['msg']}") from None


def write_group_results(path: Path, results: Iterable[GroupResult]) -> None:
    """Write the groups of one model as one file, whole or not at all."""
    data = [result.model_dump(mode="json") for result in results]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, (json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_group_results(path: Path) -> list[GroupResult]:
    """Read what ``write_group_results`` wrote.

    Raises:
        UsageError: the file is something else.
    """
    try:
        return [GroupResult.model_validate(row) for row in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(f"{path} is not a file of group results ({type(error).__name__}); `ehrbench run` writes one") from None
