"""Input that no site can show: each piece is named on the About page with what is wrong, and the site is built from the rest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ehrbench.leaderboard.build import build
from ehrbench.leaderboard.check import check_site
from ehrbench.results.store import dumps
from tests.results.factory import make_result

GOOD = make_result("steady", 0.4, data_policy="open")


def _changed(change: Callable[[dict[str, Any]], None]) -> str:
    data = json.loads(dumps(make_result("mended-never", 0.6, data_policy="open")))
    change(data)
    return json.dumps(data)


RESULTS = {
    "a lone surrogate": (_changed(lambda data: data["caveats"].append("half \ud83d")), "half of a surrogate pair"),
    "NaN": (_changed(lambda data: data["metrics"][0].update(value=float("nan"))), "NaN"),
    "a number as text": (_changed(lambda data: data.update(n_items="many")), "n_items"),
    "a duplicate key": (_changed(lambda _: None).replace('"task"', '"task": "other", "task"', 1), "the key 'task' stands twice"),
    "another version": (_changed(lambda data: data.update(schema_version=7)), "schema_version is 7"),
    "half a file": (_changed(lambda _: None)[:-40], "JSON"),
}
MODELS = {
    "an alias of two": ("[{name: A, aliases: [x]}, {name: B, aliases: [x]}]", "'x' stands for 'B' and for 'A'"),
    "a cycle": ("[{name: A, base: B}, {name: B, base: A}]", "A → B → A"),
}


def _site(folder: Path, results: dict[str, str], models: str = "") -> str:
    """Build from a sound result and these; gives the About page."""
    for name, text in {"good": dumps(GOOD), **results}.items():
        (folder / "in" / name).mkdir(parents=True)
        (folder / "in" / name / "result.json").write_text(text)
    if models:
        (folder / "in/models.yaml").write_text(models)
    built = build([folder / "in"], folder / "site")
    assert check_site(folder / "site") == []
    assert "steady" in (folder / "site/index.html").read_text()
    assert bool(built.problems) == bool(models or results)
    about = (folder / "site/about.html").read_text()
    assert str(folder) not in about
    return about


@pytest.mark.parametrize("kind", RESULTS)
def test_a_result_that_cannot_be_shown_is_left_out_by_name(kind: str, tmp_path: Path) -> None:
    text, said = RESULTS[kind]
    about = _site(tmp_path, {"bad": text})
    line = next(line for line in about.split("<li>") if "bad/result.json" in line)
    assert said in line.replace("&#39;", "'"), line
    assert "mended-never" not in (tmp_path / "site/index.html").read_text()


def test_two_results_under_one_key_are_both_left_out(tmp_path: Path) -> None:
    about = _site(tmp_path, {f"copy-{value}": dumps(make_result("twin", value, data_policy="open")) for value in (0.5, 0.6)})
    assert "2 different results for task" in about and "none of them is used; remove all but one" in about
    assert "twin" not in (tmp_path / "site/index.html").read_text()


@pytest.mark.parametrize("kind", MODELS)
def test_an_entry_of_models_that_contradicts_another_is_left_out_by_name(kind: str, tmp_path: Path) -> None:
    entries, said = MODELS[kind]
    about = _site(tmp_path, {}, f"models: {entries}\n")
    assert said in about.replace("&#39;", "'")


def test_a_name_of_ten_thousand_characters_is_cut_where_it_is_shown(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/all.results.json").write_text(dumps([GOOD, make_result("n" * 10_000, 0.6, data_policy="open")]))
    built = build([tmp_path / "in"], tmp_path / "site")
    assert (built.n_results, built.problems) == (2, [])
    assert check_site(tmp_path / "site") == []
    assert max(len(path.name) for path in (tmp_path / "site").rglob("*")) < 200
    assert "n" * 300 not in (tmp_path / "site/index.html").read_text()
