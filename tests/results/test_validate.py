import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ehrbench.cli.results import app
from ehrbench.errors import PolicyError, UsageError
from ehrbench.hashing import hash_data
from ehrbench.results.published import published_results
from ehrbench.results.store import read_results, write_result
from ehrbench.results.submission import pack
from ehrbench.results.validate import check_result, validate_paths
from tests.results.factory import make_metric, make_result


def _run(root: Path, model: str = "llama", **changes: Any) -> Path:
    config = {"task": "medalign", "model": model}
    digest = hash_data(config)
    folder = root / model / "medalign" / digest[:16]
    write_result(folder / "result.json", make_result(model, config_hash=digest, **changes))
    (folder / "manifest.json").write_text(json.dumps({"config": config, "environment": {}}))
    (folder / "private").mkdir()
    row = {"item": "medalign-000417", "answer": "The patient was started on lisinopril ten milligrams daily in March"}
    (folder / "private/predictions.jsonl").write_text(json.dumps(row) + "\n")
    return folder


def test_what_ships_and_what_a_run_writes_is_plausible(tmp_path: Path) -> None:
    assert [fault for row in published_results() for fault in check_result(row)] == []
    _run(tmp_path)
    assert validate_paths([tmp_path]) == (1, [])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"outcomes": {"answered": 39}}, "outcomes sum to 39, n_items is 40"),
        ({"outcomes": {"answered": 30, "api_error": 10}}, "rests on 40 + 0 items, 30 have a score"),
        ({"n_groups": 41}, "n_groups is 41"),
        ({"n_expected": 12}, "more than the 12 of the release"),
        ({"n_items": 0, "outcomes": {}, "n_groups": None}, "nothing was run"),
        ({"primary": "f1"}, "primary is 'f1'"),
        ({"metrics": [make_metric(), make_metric()]}, "stands 2 times"),
        ({"metrics": [make_metric(high=None)]}, "one end of an interval"),
        ({"metrics": [make_metric(interval="")]}, "does not say how its interval was made"),
        ({"metrics": [make_metric(0.9, low=0.1, high=0.2)]}, "far outside its own interval"),
        ({"metrics": [make_metric(interval="score interval, jackknife over 24 patients")]}, "24 groups and carries no caution"),
        ({"metrics": [make_metric(interval="Wilson, 29 items")]}, "29 groups and carries no caution"),
        ({"metrics": [make_metric(half=0, interval="score interval, jackknife over 40 items")]}, "an interval without a width"),
        ({"metrics": [make_metric(n=30, strict_value=0.6)]}, "better over all items"),
        ({"metrics": [make_metric(strict_value=0.1)]}, "every item answered and yet another value"),
        ({"signature": ""}, "signature is empty"),
        ({"config_hash": "../x"}, "not the hash of a manifest"),
        ({"command": "ehrbench run --model m --data-dir sample"}, "bundled sample"),
        ({"command": "ehrbench run --model /home/ann/m"}, "absolute path"),
        ({"caveats": ["x" * 3000]}, "caveats.0 has 3000 characters"),
        ({"strata": {"kind=rare": [make_metric(n=3)]}}, "fewer than 11"),
        ({"kind": "published"}, "needs its source"),
    ],
)
def test_what_is_implausible_is_said(changes: dict[str, Any], said: str) -> None:
    faults = check_result(make_result(**changes))
    assert any(said in fault for fault in faults), faults


def test_a_result_that_is_not_its_manifests_is_found(tmp_path: Path) -> None:
    folder = _run(tmp_path)
    (folder / "manifest.json").write_text(json.dumps({"config": {"task": "another"}}))
    _, faults = validate_paths([tmp_path])
    assert len(faults) == 2
    assert "the manifest's configuration has" in faults[0].message
    (folder / "manifest.json").write_text("{")
    assert "damaged" in validate_paths([tmp_path])[1][0].message


def test_the_command_prints_faults_and_exits_2(tmp_path: Path) -> None:
    runner = CliRunner()
    _run(tmp_path)
    assert runner.invoke(app, ["validate", str(tmp_path)]).stdout == "1 result: schema, hashes and numbers in order.\n"
    write_result(tmp_path / "odd.results.json", [make_result("odd", n_groups=99)])
    (tmp_path / "bad.results.json").write_text('[{"schema_version": 3}]')
    done = runner.invoke(app, ["validate", "--json", str(tmp_path)])
    assert done.exit_code == 2
    said = json.loads(done.stdout)
    assert said["results"] == 2
    assert len(said["faults"]) == 2
    assert "odd.results.json (medalign, odd): n_groups is 99" in "".join(said["faults"])
    with pytest.raises(UsageError, match="is not there"):
        validate_paths([tmp_path / "nothing"])


def test_a_submission_is_the_result_alone_and_drops_into_another_folder(tmp_path: Path) -> None:
    folder = _run(tmp_path / "mine")
    (tmp_path / "theirs").mkdir()
    path = pack([folder], tmp_path / "theirs").results
    assert path.name == f"llama.medalign.{folder.name[:8]}.results.json"
    (result,) = read_results(path)
    assert result == read_results(folder / "result.json")[0]
    assert "lisinopril" not in path.read_text()
    assert validate_paths([tmp_path / "theirs"]) == (1, [])
    several = pack([folder, _run(tmp_path / "mine", "other")], tmp_path / "both.results.json").results
    assert len(read_results(several)) == 2


def test_a_submission_that_quotes_an_answer_or_names_an_item_is_refused(tmp_path: Path) -> None:
    note = "patient was started on lisinopril ten milligrams daily"
    with pytest.raises(PolicyError, match="quotes 8 or more words") as caught:
        pack([_run(tmp_path / "a", metrics=[make_metric(note=note)])], tmp_path)
    assert "lisinopril" not in str(caught.value)
    with pytest.raises(PolicyError, match="id of the item"):
        pack([_run(tmp_path / "b", caveats=["see medalign-000417"])], tmp_path)
    with pytest.raises(UsageError, match="n_groups is 99"):
        pack([_run(tmp_path / "c", n_groups=99)], tmp_path)
    with pytest.raises(UsageError, match=r"has no result\.json"):
        pack([tmp_path], tmp_path)
    assert list(tmp_path.glob("*.json")) == []


def test_a_caution_belongs_to_an_interval() -> None:
    new = "score interval, jackknife over 24 patients"
    made = make_result(metrics=[make_metric(interval=new, caution="only 24 patients: the 95 % interval is only approximate")])
    assert check_result(made) == []
    # What earlier versions wrote had none.
    assert check_result(make_result(metrics=[make_metric()])) == []
    with pytest.raises(ValueError, match="a caution about an interval and no interval"):
        make_metric(low=None, high=None, caution="only 24 patients")
