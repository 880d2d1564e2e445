"""A finished run on credentialed data of every form, and what of it somebody might paste into a result by accident."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import polars as pl

from ehrbench.models.loading import load_model
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prepared import prepare
from ehrbench.scoring.loaded import load_run
from ehrbench.scoring.run import score_run
from ehrbench.tasks.catalog import load_catalog

TASK = """\
task: ward_questions
version: 1
data:
  reader: jsonl
  path: ward
  policy: credentialed
  options: {meta: [level, remark, age]}
record: {context: truncate}
prompt: {user: "{{ record }} {{ question }}"}
generation: {max_tokens: 20}
metrics: [rouge_l]
primary: rouge_l
strata: [level, {by: age, bins: [40, 65]}]
"""

PLANTED = {
    "a sentence of a record": "Day 3 he confided that the sheepdog Bramble had pulled him down the cellar stairs",
    "five rare words of a record": "cellar stairs, bruised before breakfast",
    "a record in capitals": "THE SHEEPDOG BRAMBLE HAD PULLED HIM DOWN THE CELLAR STAIRS",
    "a record with other punctuation": "the sheepdog, Bramble - had pulled him; down the (cellar) stairs",
    "a record in full-width letters": "sheepdog Bramble had pulled him".translate({c: c + 0xFEE0 for c in range(0x21, 0x7F)}),
    "a record with invisible characters": "sheepdog Bra\u200bmble had pul\u00adled him down the cellar",
    "a question": "Why did the accordion teacher of Unterwossen stop her warfarin tablets in autumn",
    "a gold answer": "because her gums bled whenever she rehearsed the Ländler for Whitsun",
    "an answer of the model": "Bramble had pulled him down the cellar stairs before breakfast on Tuesday",
    "the group of an item": "p-krumholtz-0417",
    "a group of words": "Wolperdinger Krumholtz",
    "the id of an item": "ward-71-4407-b",
    "a patient's id": "81400932",
    "an admission's id": "29417730",
    "a stay's id": "39417731",
    "a note's id": "81400932-DS-17",
    "an order's id": "81400932-555",
    "a provider's id": "P93KX4",
    "a date joined to an id": "81400932_2187-03-04",
    "an id joined to a word": "case-of-81400932",
    "a value of the metadata": "asked after the divorce from the organ builder in Ottobeuren",
    "a stratum that is a sentence": "level=wept when the tax adviser telephoned about the sawmill",
    "a rater's comment": "The answer forgets that she swallowed the thimble of her grandmother",
    "text of a Parquet table": "haematoma behind the ear after a heifer kicked the gate",
    "text of a gzipped table": "speaks only Ladin with the chaplain of Corvara",
    "the name of a data file": "krumholtz_wolperdinger_scan",
}
"""Kinds of private text, each with an example that stands in the data below."""


def write_data(root: Path) -> Path:
    """Write the data and return the folder for ``--data-dir``."""
    ward = root / "ward"
    (ward / "notes").mkdir(parents=True)
    rows = []
    for k in range(14):
        rows.append(
            {
                "id": "ward-71-4407-b" if k == 3 else f"w{k}",
                "question": f"{PLANTED['a question']}?" if k == 1 else f"What was given on day {k}?",
                "answer": PLANTED["a gold answer"] if k == 1 else f"dose {k}",
                "group": {0: PLANTED["the group of an item"], 1: PLANTED["a group of words"]}.get(k, f"g{k}"),
                "record_file": f"notes/n{k}.txt",
                "level": PLANTED["a stratum that is a sentence"].partition("=")[2] if k < 12 else "easy",
                "remark": PLANTED["a value of the metadata"] if k == 2 else "",
                "age": 30 + 4 * k,
            }
        )
        said = PLANTED["a sentence of a record"] + ", bruised before breakfast on Tuesday" if k == 3 else "Rest"
        (ward / f"notes/n{k}.txt").write_text(f"2187-03-{k + 1:02d}\n{said}. Plan unchanged.\n", encoding="utf-8")
    (ward / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    (ward / "stays.csv").write_text(
        "subject_id,hadm_id,stay_id,note_id,poe_id,order_provider_id\n"
        "81400932,29417730,39417731,81400932-DS-17,81400932-555,P93KX4\n"
    )
    (ward / "ratings.tsv").write_text(f"item\trater\tcomment\nw1\tA\t{PLANTED['a rater' + chr(39) + 's comment']}.\n")
    pl.DataFrame({"finding": [PLANTED["text of a Parquet table"]]}).write_parquet(ward / "findings.parquet")
    with gzip.open(ward / "talk.csv.gz", "wt") as file:
        file.write(f"n,text\n1,{PLANTED['text of a gzipped table']}\n")
    (ward / "krumholtz_wolperdinger_scan.txt").write_text("nothing")
    return root


def finished_run(tmp_path: Path) -> Path:
    """Run the task with a baseline that quotes the records; returns the run's folder."""
    data = write_data(tmp_path / "data")
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/ward.yaml").write_text(TASK)
    task = load_catalog([tmp_path / "tasks"]).get("ward_questions")
    model = load_model("baseline:newest", {}, None)
    options = RunOptions(data_dir=str(data), out=tmp_path / "results", model="baseline:newest")
    folder, _ = generate(prepare(task, model, options), command="ehrbench run --model baseline:newest")
    model.close()
    score_run(load_run(folder))
    return folder.path
