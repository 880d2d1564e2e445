"""Servers that fail: every other item is answered, each failure is named, and no error text is scored."""

from __future__ import annotations

import json
from pathlib import Path

from tests.acceptance.chart import ehrbench, rows, run_folders, write_release
from tests.support.server import Server

METRICS = ("--metrics", "rouge_l,chrf_pp")


def run(server: Server, data: Path, out: Path, *more: object) -> tuple[int, str, Path]:
    finished = ehrbench(
        *("run", "--model", "openai:stub", "--tasks", "medalign", "--data-dir", data, "--out", out, *METRICS, "--quiet"),
        *("--budget-tokenizer", "words"),
        *("--model-arg", f"base_url={server.url}", "--model-arg", "concurrency=4", "--model-arg", "first_wait=0.01", *more),
        home=out / "home",
    )
    folders = run_folders(out)
    return finished.returncode, finished.stderr, folders[0] if folders else out


def test_a_tenth_of_each_fault_and_one_permanent_400(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=8, questions=5, entries=3)
    rates = {"429:0.05": 0.1, "500": 0.1, "reset": 0.1, "truncated": 0.1}
    with Server(rates=rates, poison="obelisk tangent 3") as server:  # one question of each of the eight patients
        code, errors, folder = run(server, data, tmp_path / "out")
    assert code == 5, errors
    predictions = {row["item"]: row for row in rows(folder / "private" / "predictions.jsonl")}
    assert len(predictions) == 40, "nothing is dropped"
    failed = {item for item, row in predictions.items() if row["outcome"] == "api_error"}
    assert len(failed) == 8
    assert all(item.endswith("3") for item in failed)
    assert all(predictions[item]["answer"] is None for item in failed)
    assert {predictions[item]["outcome"] for item in set(predictions) - failed} == {"answered"}
    result = json.loads((folder / "result.json").read_text())
    assert result["outcomes"] == {"answered": 32, "api_error": 8}
    rouge = next(m for m in result["metrics"] if m["name"] == "rouge_l")
    assert (rouge["n"], result["n_items"]) == (32, 40)
    assert abs(rouge["strict_value"] - rouge["value"] * 32 / 40) < 1e-12, "over all items, a failed one counts 0"
    assert not {row["item"] for row in rows(folder / "private" / "scores.jsonl")} & failed
    assert "obelisk" not in errors


def test_failed_items_are_tried_again_and_only_they(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", entries=3)
    with Server(poison="obelisk tangent 2") as server:
        code, _, folder = run(server, data, tmp_path / "out")
        assert code == 5
    with Server(port=server.port) as mended:
        code, errors, folder = run(mended, data, tmp_path / "out")
        assert code == 0, errors
        assert mended.stats()["calls"] == 4
    assert json.loads((folder / "result.json").read_text())["outcomes"] == {"answered": 12}


def test_an_overflow_a_filter_and_an_empty_answer_are_outcomes(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=1, questions=4, entries=3)
    with Server(script=["overflow", "filter", "null", "ok"], answer=lambda body: "fine") as server:
        code, errors, folder = run(server, data, tmp_path / "out", "--model-arg", "concurrency=1", "--model-arg", "max_retries=0")
    assert code == 5, errors
    outcomes = [row["outcome"] for row in rows(folder / "private" / "predictions.jsonl")]
    assert sorted(outcomes)[:1] == ["answered"]
    assert set(outcomes) >= {"overflow", "refused", "answered"}


def test_a_refused_key_ends_the_run_at_once_with_the_next_step(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", entries=3)
    with Server(rates={"401": 1.0}) as server:
        code, errors, _ = run(server, data, tmp_path / "out")
        assert server.stats()["calls"] <= 4
    assert code == 2
    assert "OPENAI_API_KEY" in errors
    assert "Traceback" not in errors


def test_an_unknown_window_is_said_and_what_to_do_about_overflows(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", patients=1, questions=2, entries=3)
    with Server(rates={"overflow": 1.0}, models=[]) as server:
        code, errors, _ = run(server, data, tmp_path / "out")
    assert code == 5, errors
    assert errors.count("does not say how long its window is") == 1
    assert "2 items ended without an answer: overflow; the same command would end so again" in errors
    with Server() as server:
        assert "its window" not in run(server, data, tmp_path / "known")[1]


def test_nothing_listens(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", entries=3)
    with Server() as server:
        pass
    code, errors, _ = run(server, data, tmp_path / "out", "--model-arg", "max_retries=1")
    assert code == 3, errors
    assert str(server.port) in errors


def test_a_broken_record_costs_its_own_items_only(tmp_path: Path) -> None:
    data = write_release(tmp_path / "data", entries=3)
    broken = data / "medalign" / "ehrs" / "700000002.xml"
    broken.write_text(broken.read_text().replace("</encounter>", "</encountr>"))
    finished = ehrbench(
        *("run", "--model", "baseline:bm25", "--tasks", "medalign", "--data-dir", data, "--out", tmp_path / "out", *METRICS),
        home=tmp_path / "home",
    )
    assert finished.returncode == 5
    assert "700000002.xml" in finished.stderr
    assert "zebrafinch" not in finished.stderr
    (folder,) = run_folders(tmp_path / "out")
    assert json.loads((folder / "result.json").read_text())["outcomes"] == {"answered": 9, "api_error": 3}
