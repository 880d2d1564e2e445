"""A site while it is made: held on disk, made once, and no more of it written than changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from ehrbench.leaderboard import build as building
from ehrbench.leaderboard.build import build
from ehrbench.leaderboard.files import Draft
from ehrbench.results.store import write_result
from tests.results.factory import make_metric, make_result


def test_a_draft_gives_back_what_was_put_into_it_in_the_order_of_the_names(tmp_path: Path) -> None:
    draft = Draft(tmp_path)
    draft["b/c.html"], draft["a.html"] = "one\r\ntwo", "ä\u2028"
    draft["b/c.html"] += "\n"
    assert dict(draft) == {"a.html": "ä\u2028", "b/c.html": "one\r\ntwo\n"}
    assert list(draft) == ["a.html", "b/c.html"]
    assert len(list(tmp_path.iterdir())) == 2
    del draft["a.html"]
    assert list(draft) == ["b/c.html"]


def test_the_pages_are_made_once_also_where_texts_are_withheld(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_result(tmp_path / "runs/a/result.json", make_result(metrics=[make_metric(note="Nobody has read this.")]))
    calls = []

    def made(*given: object) -> object:
        calls.append(given)
        return original(*given)  # type: ignore[arg-type]

    original = building.make_site
    monkeypatch.setattr(building, "make_site", made)
    built = build([tmp_path / "runs"], tmp_path / "site")
    assert len(calls) == 1
    assert "withheld" in built.withheld[-1]
    assert "Nobody has read this" not in "".join(p.read_text() for p in (tmp_path / "site").rglob("*.html"))
    assert build([tmp_path / "runs"], tmp_path / "site").n_changed == 0
