"""The comparison page in a browser: differences with intervals on the same items, and where two models part."""

from __future__ import annotations

from pathlib import Path

import pytest

from ehrbench.leaderboard.build import build
from ehrbench.results import MetricResult
from ehrbench.results.store import write_result
from ehrbench.results.supplements import Comparison, Interval
from tests.leaderboard.reader import Reader
from tests.results.factory import make_metric, make_result

pytestmark = pytest.mark.browser


def _by_length(long: float, short: float) -> dict[str, list[MetricResult]]:
    return {"length=long": [make_metric(long)], "length=short": [make_metric(short)]}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models on three tasks: one tested item by item, one told apart by intervals, one run in part."""
    folder = tmp_path_factory.mktemp("compare")
    runs = [
        make_result("one", 0.40, task="s.tested", config_hash="a" * 16),
        make_result("two", 0.42, task="s.tested", config_hash="b" * 16),
        make_result(
            "one",
            0.20,
            task="s.apart",
            data_policy="open",
            strata={"length=long": [make_metric(0.1)], "length=short": [make_metric(0.30)]},
        ),
        make_result(
            "two",
            0.50,
            task="s.apart",
            data_policy="open",
            strata={"length=long": [make_metric(0.6)], "length=short": [make_metric(0.31)]},
        ),
        make_result("one", 0.40, task="s.part", n_items=20),
        make_result("two", 0.40, task="s.part"),
    ]
    write_result(folder / "in/a.results.json", runs)
    test = Comparison(
        task="s.tested",
        metric="rouge_l",
        a="a" * 16,
        b="b" * 16,
        difference=Interval(value=-0.02, low=-0.03, high=-0.01, n=40),
    )
    (folder / "in/x.paired.json").write_text(f"[{test.model_dump_json()}]")
    assert build([folder / "in"], folder / "site").problems == []
    return folder / "site"


def test_a_stored_test_decides_and_intervals_where_there_is_none(site: Path, reader: Reader) -> None:
    page = reader.page
    page.goto((site / "compare.html").as_uri() + "#one,two")
    rows = {row.split("\t")[0].split("\n")[0]: row for row in page.locator(".diff tbody tr").all_inner_texts()}
    assert "+0.020 [0.010, 0.030] better" in rows["Tested"] and "item by item, n 40" in rows["Tested"]
    assert "+0.300 [0.258, 0.342] better" in rows["Apart"] and "item by item" not in rows["Apart"]
    assert not any(row.startswith("Part") for row in rows)
    page.goto((site / "compare.html").as_uri() + "#two,one")
    page.reload()
    assert "−0.020 [−0.030, −0.010] worse" in page.locator(".diff tbody tr", has_text="Tested").inner_text()
    assert reader.wrong == []


def test_the_page_says_where_models_part(site: Path, reader: Reader) -> None:
    page = reader.page
    page.goto((site / "compare.html").as_uri() + "#one,two")
    assert page.locator("#compare .notes li").all_inner_texts() == ["two better on Apart, length: long: +0.500 [0.458, 0.542]"]
    assert "rest on the same items" in page.locator("main").inner_text()
