import json
from pathlib import Path

import pytest

from ehrbench.errors import UsageError
from ehrbench.results import Result
from ehrbench.results.store import find_results, read_result, write_result
from tests.results.factory import make_metric, make_result


def _plain(**changes: object) -> dict[str, object]:
    return make_result().model_dump(mode="json") | changes


def _write(path: Path, data: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_what_is_written_is_read_back_and_written_alike(tmp_path: Path) -> None:
    result = make_result()
    write_result(tmp_path / "a/result.json", result)
    assert read_result(tmp_path / "a/result.json") == result
    write_result(tmp_path / "b/result.json", read_result(tmp_path / "a/result.json"))
    assert (tmp_path / "a/result.json").read_bytes() == (tmp_path / "b/result.json").read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["result.json"]
    keys = list(json.loads((tmp_path / "a/result.json").read_text()))
    assert keys == sorted(keys)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_result(path, make_result())
    before = path.read_bytes()
    broken = make_result()
    broken.usage.seconds = float("nan")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_result(path, broken)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ('{"schema_version": 1, "n_items": NaN}', "NaN"),
        ('{"schema_version": 1, "environment": {"x": 1e999}}', "1e999 is not a number"),
        ("[]", "expected a result"),
        ('{"schema_version": 99}', "schema_version is 99"),
        ('{"schema_version": 1}', "task"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_result_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        read_result(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"value": 1.2}, r"metrics\.0.*1\.2 lies outside its range 0 to 1"),
        ({"low": 0.9, "high": 0.1}, "ends"),
        ({"high": 1e300}, "lies far outside its range"),
        ({"range": [0, 1e300]}, "is not a range"),
        ({"range": [1, 0]}, "is not a range"),
        ({"n": 10**400}, r"metrics\.0\.n"),
        ({"value": None}, "neither a value nor a reason"),
        ({"n": -1}, r"metrics\.0\.n"),
        ({"n": None}, "not of a run"),
        ({"surprise": 1}, r"metrics\.0\.surprise"),
    ],
)
def test_an_impossible_number_is_named_with_its_key(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    metric = make_metric().model_dump(mode="json") | changes
    path = _write(tmp_path / "result.json", _plain(metrics=[metric]))
    with pytest.raises(UsageError, match=said):
        read_result(path)


def test_the_rest_loads_and_the_bad_is_named(tmp_path: Path) -> None:
    write_result(tmp_path / "x/good/result.json", make_result("good"))
    write_result(tmp_path / "x/list.results.json", [make_result("one"), make_result("two")])
    _write(tmp_path / "x/mixed.results.json", [_plain(task="other"), _plain(protocol="best")])
    (tmp_path / "x/broken").mkdir()
    (tmp_path / "x/broken/result.json").write_text("{")
    _write(tmp_path / "x/good/private/result.json", _plain(task="secret"))
    stored, problems = find_results([tmp_path / "x", tmp_path / "missing"])
    assert sorted((one.result.model.name, one.result.task) for one in stored) == [
        ("good", "medalign"),
        ("llama-3-8b", "other"),
        ("one", "medalign"),
        ("two", "medalign"),
    ]
    assert [problem.path.name for problem in problems] == ["result.json", "mixed.results.json"]
    assert "entry 2: protocol" in problems[1].message


def test_unlike_results_under_one_key_are_left_out_and_copies_count_once(tmp_path: Path) -> None:
    write_result(tmp_path / "a/result.json", make_result("m", 0.4))
    write_result(tmp_path / "b/result.json", make_result("m", 0.5))
    write_result(tmp_path / "c/result.json", make_result("copied"))
    write_result(tmp_path / "d/result.json", make_result("copied"))
    write_result(tmp_path / "e/result.json", make_result("copied", protocol="paper"))
    stored, problems = find_results([tmp_path, tmp_path])
    assert [(one.result.model.name, one.result.protocol) for one in stored] == [("copied", "clean"), ("copied", "paper")]
    assert len(problems) == 1
    assert "a/result.json" in problems[0].message
    assert "b/result.json" in problems[0].message


def test_a_published_row_may_leave_its_n_unsaid() -> None:
    row = make_result(kind="published", n_items=None, metrics=[make_metric(n=None)])
    assert row.n_items is None
    assert not row.partial
    assert Result.model_validate_json(row.model_dump_json()) == row
