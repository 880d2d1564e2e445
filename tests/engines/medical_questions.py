"""Made-up questions in two layouts: the columns of the data sets that lm-eval's tasks read, and MedS-Bench's released files."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

N = 80
_TEXT = (
    "sodium potassium warfarin sepsis pneumonia fever cough insulin lactate renal hepatic acute chronic stage dose daily "
    "oral vein artery fracture β-blocker naïve {braces} 40% <5 mmol/L “quoted” it's"
)
_WORDS = _TEXT.split()


class Task(NamedTuple):
    """One data set in both harnesses."""

    theirs: str
    """lm-eval's task."""
    config: str
    """Its file, below lm-eval's folder of tasks."""
    folder: str
    file: str
    """MedS-Bench's category and file."""


TASKS = {
    "medqa": Task("medqa_4options", "medqa/medqa.yaml", "MCQA", "task57_medqa_question_answering_en.jsonl"),
    "medmcqa": Task("medmcqa", "medmcqa/medmcqa.yaml", "MCQA", "task122_medmcqa_test_set.json"),
    "pubmedqa": Task("pubmedqa", "pubmedqa/pubmedqa.yaml", "MCQA", "task123_pubmedqa_test_set.json"),
}
"""By the last part of our task's name."""


class Question(NamedTuple):
    """A question with four options, of which each may begin or end with blanks, or one about an abstract."""

    text: str
    options: tuple[str, ...]
    abstract: tuple[str, ...]
    gold: int


def questions(seed: int) -> list[Question]:
    """As many as ``N``, with what trips a parser in some: a stem that lists things, blanks at ends, an option named twice."""
    draw = random.Random(seed)

    def words(least: int, most: int) -> str:
        return " ".join(draw.choice(_WORDS) for _ in range(draw.randint(least, most)))

    made = []
    for i in range(N):
        text = f"Case {i}: {words(5, 30)}?"
        if i % 9 == 1:
            text += "\nA. is not the answer, " + words(2, 4)
        if i % 7 == 2:
            text = f"{text} "
        options = [words(1, 5) for _ in range(4)]
        if i % 5 == 3:
            options[draw.randrange(4)] += "  "
        if i % 11 == 4:
            options[1] = options[2]
        made.append(
            Question(text, tuple(options), tuple(words(8, 20) for _ in range(draw.randint(1, 3))), draw.randrange(3 + i % 2))
        )
    return made


def write_release(folder: Path) -> Path:
    """The questions as MedS-Bench releases them; returns the folder for ``--data-dir``."""
    for seed, (name, task) in enumerate(TASKS.items()):
        rows = [_released(name, question) for question in questions(seed)]
        path = folder / "meds_bench" / task.folder / task.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"Definition": ["Answer the question."], "Instances": rows}, ensure_ascii=False), "utf-8")
    return folder


def _released(name: str, question: Question) -> dict[str, str]:
    if name == "pubmedqa":
        abstract = "\n".join(question.abstract)
        return {"input": f"Context: {abstract}\nQuestion: {question.text}", "output": _decision(question)}
    letter = "ABCD"[question.gold]
    output = f"The right answer is {letter}: {question.options[question.gold]}"
    if name == "medqa":
        listed = "\t".join(f"{key}: {option}" for key, option in zip("ABCD", question.options, strict=True))
        return {"input": f"Question: {question.text}\nOptions: {listed}", "output": output}
    listed = "\n".join(f"{key}. {option}" for key, option in zip("ABCD", question.options, strict=True))
    return {"input": f"{question.text}\n{listed}", "output": output}


def write_lm_eval(folder: Path, shipped: Path) -> Path:
    """lm-eval's own task files with another place for their data and nothing else; returns the folder for ``--include-path``.

    Args:
        folder: made where it does not exist.
        shipped: lm-eval's folder of tasks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, task) in enumerate(TASKS.items()):
        data = folder / f"{name}.jsonl"
        rows = [_columns(name, i, question) for i, question in enumerate(questions(seed))]
        data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
        place = {"dataset_path": "json", "dataset_kwargs": {"data_files": dict.fromkeys(_splits(name), str(data))}}
        own = {"include": str(shipped / task.config), "task": task.theirs, **place}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(own), "utf-8")
    return folder


def _splits(name: str) -> Sequence[str]:
    return ("train", "validation") if name == "medmcqa" else ("train", "validation", "test")


def _columns(name: str, number: int, question: Question) -> dict[str, Any]:
    if name == "medqa":
        endings = {f"ending{i}": option for i, option in enumerate(question.options)}
        return {"id": f"test-{number}", "sent1": question.text, "sent2": "", **endings, "label": question.gold}
    if name == "medmcqa":
        options = dict(zip(("opa", "opb", "opc", "opd"), question.options, strict=True))
        return {"id": str(number), "question": question.text, **options, "cop": question.gold, "choice_type": "single"}
    return {"QUESTION": question.text, "CONTEXTS": list(question.abstract), "final_decision": _decision(question)}


def _decision(question: Question) -> str:
    return ("yes", "no", "maybe", "yes")[question.gold]
