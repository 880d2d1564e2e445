"""The synthetic MedS-Bench: a few invented instances for each of the 53 files, in the release's format and with its quirks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ehrbench.suites.meds_bench.sample.built import built_files
from ehrbench.suites.meds_bench.sample.written import written_files

__all__ = ["generate"]

README = """\
SYNTHETIC DATA. Every question, report, abstract and answer in this folder is invented.

The layout is that of the MedS-Bench release. Nothing is from MedS-Bench, its sources or any person's record. ehrbench writes
these files from its own source, the same bytes each time, so that every task can be tried without the release.
Scores on them say that an installation works, nothing about a model.
"""
LANGUAGES = {"en": "English", "zh": "Chinese", "ja": "Japanese", "fr": "French", "ru": "Russian", "es": "Spanish"}
SUPER_NI = ("task1_", "task2_", "task3_", "task12_", "task29_")
"""Files whose gold answers are lists and whose instances have ids."""


def generate(folder: Path) -> None:
    """Write the sample release into an empty folder."""
    (folder / "README-SYNTHETIC.txt").write_text(README, encoding="utf-8", newline="\n")
    for place, content in {**written_files(), **built_files()}.items():
        path = folder / place
        path.parent.mkdir(exist_ok=True)
        data = _release(path.stem, content["definition"], content["instances"], content.get("language", "en"))
        indent = None if place.endswith(".jsonl") else 1
        path.write_text(json.dumps(data, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8", newline="\n")


def _release(stem: str, definition: str, instances: Sequence[Mapping[str, Any]], language: str) -> dict[str, Any]:
    """One file's object, with the kinds of value that the release has there."""
    contributed = stem.startswith("task4")  # these files are of the variant that contributors made
    from_super_ni = stem.startswith(SUPER_NI)
    rows = [dict(instance) for instance in instances]
    for index, row in enumerate(rows):
        if from_super_ni:
            row["output"] = row["output"] if isinstance(row["output"], list) else [row["output"]]
            row["id"] = f"{stem.partition('_')[0]}-{index:04d}"
    data: dict[str, Any] = {
        "Contributors": "The ehrbench developers" if contributed else ["The ehrbench developers"],
        "Source": "invented" if contributed else ["invented"],
        "URL": "" if contributed else [""],
        "Categories": ["Summarization" if "summ" in stem else "Question Answering"],
        "Definition": definition if stem.startswith("task46_") else [definition],
        "Input_language": [LANGUAGES[language]],
        "Output_language": [LANGUAGES[language]],
        "Instruction_language": ["English"],
        "Domains": ["Medicine"],
        "Positive Examples": [],
        "Negative Examples": [],
    }
    return {**data, **({"Split Type": "Test"} if contributed else {"Reasoning": []}), "Instances": rows}
