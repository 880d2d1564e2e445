"""Whatever a task file holds, reading it ends in tasks or in a UsageError with file and line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ehrbench.errors import UsageError
from ehrbench.tasks.schema import TaskSpec
from ehrbench.tasks.task_file import merge, read_task_file
from ehrbench.tasks.validate import validate_tasks
from ehrbench.tasks.yaml_file import TaskFileError, read_yaml

GOOD: dict[str, Any] = {
    "task": "fuzz.one",
    "version": 1,
    "group": ["g"],
    "data": {"reader": "jsonl", "path": "p", "policy": "open", "options": {"file": "x"}},
    "record": {"context": "truncate"},
    "prompt": {"user": "{{ record }} {{ question }}"},
    "variants": {"short": {"user": "{{ question }} {{ record }}"}},
    "generation": {"max_tokens": 5},
    "metrics": ["exact_match"],
    "primary": "exact_match",
    "protocol": {"paper": {"references": "first"}},
}
PLACES = [(key,) for key in GOOD] + [(key, inner) for key, value in GOOD.items() if isinstance(value, dict) for inner in value]
ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10**6)
    | st.text(max_size=6)
    | st.sampled_from([1.5, "yes", "{{", "{% if %}", "\x00"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["user", "paper", "a", "task"]), inner, max_size=2)
    ),
    max_leaves=4,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "a.yaml"


@given(place=st.sampled_from(PLACES), value=ODD)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_odd_value_anywhere(path: Path, place: tuple[str, ...], value: Any) -> None:
    task = json.loads(json.dumps(GOOD))
    inner = task
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path.write_text(json.dumps(task, ensure_ascii=True), encoding="utf-8")
    report = validate_tasks([str(path)])
    assert all(re.match(r".*a\.yaml:\d+: \S", problem) for problem in report.problems)
    assert report.problems or report.checked


@given(st.binary(max_size=80) | st.text("a:-[]{}#&*!|>'\"\n \t%@`?,1", max_size=80).map(str.encode))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_odd_bytes(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        read_task_file(path, path.parent)
    except TaskFileError as error:
        assert all("a.yaml" in problem for problem in error.problems)


PLAIN = st.dictionaries(
    st.sampled_from("abc"),
    st.recursive(st.integers(), lambda v: st.dictionaries(st.sampled_from("abc"), v, max_size=3)),
    max_size=3,
)


@given(PLAIN, PLAIN, PLAIN)
def test_merging_is_associative_and_has_an_identity(a: dict[str, Any], b: dict[str, Any], c: dict[str, Any]) -> None:
    assert merge(a, {}) == a == merge({}, a)
    assert merge(a, a) == a
    if not _clash(a, b, c):
        assert merge(merge(a, b), c) == merge(a, merge(b, c))


def _clash(*values: Any) -> bool:
    """Whether one has a mapping where another has something else: then the order of merging matters."""
    mappings = [value for value in values if isinstance(value, dict)]
    if len(mappings) not in (0, len(values)):
        return True
    names = {name for mapping in mappings for name in mapping}
    return any(_clash(*(mapping[name] for mapping in mappings if name in mapping)) for name in names)


def test_merging_leaves_its_arguments_alone() -> None:
    under, over = {"a": {"b": 1}}, {"a": {"c": [1]}}
    merged = merge(under, over)
    merged["a"]["b"] = 5
    assert (under, over) == ({"a": {"b": 1}}, {"a": {"c": [1]}})


def test_the_digest_is_of_what_decides_a_number(tmp_path: Path) -> None:
    def digest(**changes: Any) -> str:
        task = {key: value for key, value in GOOD.items() if key != "protocol"}
        return TaskSpec.model_validate(merge(task, changes)).digest()

    told = {"title": "T", "facts": {"a": 1}, "cite": "C", "cite_data": "D", "data": {"source": "S"}, "prompt": {"note": "N"}}
    assert digest(**told, variants={"short": {"note": "N"}}) == digest()
    deciding = [{"version": 2}, {"references": "first"}, {"prompt": {"system": "S"}}, {"data": {"options": {"file": "y"}}}]
    assert len({digest(), *(digest(**change) for change in deciding)}) == 5


def test_positions_are_those_of_the_keys(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("a:\n  b: [1,\n    2]\n\n  c: >\n    text\n    more\nd: {e: 1,\n  f: 2}\n")
    file = read_yaml(path)
    assert {place: file.lines[place] for place in [("a", "b"), ("a", "b", 1), ("a", "c"), ("d", "f")]} == {
        ("a", "b"): 2,
        ("a", "b", 1): 3,
        ("a", "c"): 5,
        ("d", "f"): 9,
    }
    assert file.position(("a", "nowhere", "at", "all")).line == 1
    with pytest.raises(UsageError):
        read_yaml(tmp_path / "none.yaml")
