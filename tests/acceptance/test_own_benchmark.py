"""The commands of docs/own-benchmark.md, from a table of instructions and twenty subjects of the open demo to a built site."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.readers.meds.extract import open_meds
from ehrbench.workbench.rate.serve import open_study
from ehrbench.workbench.rate.store import Action
from tests.conftest import ROOT
from tests.support.published import contents

PAGE = (ROOT / "docs" / "own-benchmark.md").read_text(encoding="utf-8")
ASKED = ("Which infusions were started?", "What was the highest creatinine?", "Summarise the course of haemoglobin.")


@pytest.fixture
def folder(shared_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data set of twenty subjects, a table about them as Excel saves it, and two raters."""
    demo = shared_dir / "data" / "mimic-iv-demo-meds"
    events = pl.concat([pl.read_parquet(path) for path in sorted((demo / "data").rglob("*.parquet"))], how="diagonal")
    shortest = events.group_by("subject_id").len().sort("len", "subject_id").head(20)
    subjects = shortest["subject_id"].sort()
    place = tmp_path / "extract" / "data"
    place.mkdir(parents=True)
    kept = events.filter(pl.col("subject_id").is_in(subjects.implode()))
    kept.sort("subject_id", "time", nulls_last=False, maintain_order=True).write_parquet(place / "0.parquet")
    metadata = tmp_path / "extract" / "metadata"
    metadata.mkdir()
    (metadata / "codes.parquet").write_bytes((demo / "metadata" / "codes.parquet").read_bytes())
    data = open_meds(tmp_path / "extract")
    with (tmp_path / "instructions.csv").open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file, delimiter=";")
        table.writerow(["Instruction", "Patient ID", "Gold answer", "Author", "Specialty", "Category", "Date"])
        for k, subject in enumerate(subjects):
            now = data.record(subject).newest_time()
            assert now is not None
            who = (("Ada", "nephrology"), ("Cleo", "surgery"))[k % 2]
            table.writerow([ASKED[k % 3], subject, f"Creatinine 1,{k} mg/dL; stable.", *who, f"kind {k % 2}", f"{now:%d.%m.%Y}"])
    (tmp_path / "raters.csv").write_text("name,specialty\nAda,nephrology\nBen,surgery\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rate(study: Path) -> None:
    """What the raters click while ``rate serve`` runs: of each item's systems the first in order of name is best."""
    with open_study(study, alone=True) as opened:
        for item, raters in opened.study.assignments.items():
            for rater in raters:
                clicks = [
                    click
                    for rank, system in enumerate(sorted(system.name for system in opened.study.systems), 1)
                    for click in (("rank", system, rank), ("correct", system, rank == 1))
                ]
                for seen, (field, system, value) in enumerate([*clicks, ("done", "", True)]):
                    opened.store.act(rater, item, Action(field, system, value, f"{rater}-{item}-{seen}", seen))


def test_the_page_leads_from_a_table_to_a_site(folder: Path) -> None:
    block = re.search(r"^```console\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert block is not None
    commands = re.findall(r"^\$ ehrbench (.*)$", block[1], re.MULTILINE)
    assert len(commands) == 11
    printed = {}
    for command in commands:
        words = shlex.split(command)
        if words[:2] == ["rate", "serve"]:
            rate(Path(words[2]))
            continue
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 0, (command, done.output, str(done.exception))
        printed[" ".join(words[:2])] = done.output
    assert "16 questions about 16 patients" in printed["data build-questions"]
    assert "16 questions about 16 patients" in " ".join(PAGE.replace("\n>", "").split())
    assert "chrF++" in printed["correlate --ratings"]
    site = folder / "site"
    pages = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.html"))
    assert "ward_questions" in pages
    everything = b"".join(content for _, content in contents(site.rglob("*")))
    assert b"haemoglobin" not in everything, "an instruction stands in the site"
    assert re.search(rb"\b100\d{5}\b", everything) is None, "a subject stands in the site"
