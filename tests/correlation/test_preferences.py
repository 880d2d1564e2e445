"""The picture of preferences: a cell for each ordered pair of each judge, with the number of the table, people first."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from ehrbench.correlation.preferences import preferences_picture
from ehrbench.results.supplements import HumanStats
from tests.acceptance.chart import ehrbench


def test_cells_are_those_of_the_table(tmp_path: Path) -> None:
    asked = ("--task", "medalign", "--data-dir", "sample", "--metrics", "rouge_l,chrf_pp", "--out", tmp_path)
    finished = ehrbench("correlate", *asked)
    assert finished.returncode == 0, finished.stderr
    picture = (tmp_path / "preferences.svg").read_text()
    with (tmp_path / "head-to-head.csv").open() as file:
        rows = list(csv.DictReader(file))
    titles = re.findall(r"<title>(\S+) preferred to (\S+): ([\d.]+)%", picture)
    assert len(titles) == len(rows) == 3 * 6 * 5
    told = sorted((row["a"], row["b"], f"{float(row['wins']):.1%}"[:-1]) for row in rows)
    assert sorted(titles) == told
    assert picture.index("Clinicians") < picture.index("chrF++")
    # Whatever is written stands above what is coloured.
    assert picture.rindex("<rect") < picture.index("<text")


def test_one_system_has_no_picture() -> None:
    assert preferences_picture(HumanStats(task="t", suite="s")) is None
