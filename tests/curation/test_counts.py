"""Counts of a task's data: by hand, and of the sample from the command line."""

from __future__ import annotations

import json

from ehrbench.curation.counts import task_counts
from ehrbench.models.words import WORDS
from ehrbench.readers.item import Item
from ehrbench.tasks.catalog import load_catalog
from tests.acceptance.chart import ehrbench


def test_items_patients_golds_and_strata_by_hand() -> None:
    task = load_catalog().get("mimic_instr.diagnosis")
    items = [
        Item(
            id=f"{hadm}-{phenotype}",
            question="Is it there?",
            record_id=hadm,
            references=(answer,),
            choices=("yes", "no"),
            group=patient,
            meta={"phenotype": phenotype},
        )
        for hadm, patient, phenotype, answer in [
            ("1", "a", "Shock", "yes"),
            ("2", "a", "Shock", "no"),
            ("3", "b", "Shock", "no"),
            ("1", "a", "Pneumonia", "no"),
        ]
    ]
    found = task_counts(task, items, WORDS)
    assert [(part.by, part.value, part.items, part.patients, dict(part.golds)) for part in found.parts] == [
        ("", "", 4, 2, {"no": 3, "yes": 1}),
        ("phenotype", "Pneumonia", 1, 1, {"no": 1}),
        ("phenotype", "Shock", 3, 2, {"no": 2, "yes": 1}),
    ]
    assert found.tokens == (WORDS.count("Is it there?"), 1.0, None)
    assert task_counts(task, []).parts[0].items == 0 and task_counts(task, [], WORDS).tokens is None


def test_the_command_counts_categories_and_definitions() -> None:
    finished = ehrbench("data", "counts", "medalign,meds_bench.nli.*", "--data-dir", "sample", "--tokenizer", "words", "--json")
    assert finished.returncode == 0, finished.stderr
    medalign, *nli = json.loads(finished.stdout)
    categories = {part["value"]: part["items"] for part in medalign["parts"] if part["by"] == "category"}
    assert sum(categories.values()) == medalign["parts"][0]["items"] and categories["Retrieve & Summarize"] > 20
    assert {one["category"] for one in nli} == {"NLI"} and all(one["tokens"]["definition"] > 5 for one in nli)
    shown = ehrbench("data", "counts", "ehr_bench.risk.ED_Hospitalization", "--data-dir", "sample").stdout
    assert "yes 6 (50.0%), no 6 (50.0%)" in shown
