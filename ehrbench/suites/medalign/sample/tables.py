"""The sample's tables: instructions with clinicians' answers, reviewed answers of the imaginary systems, categories."""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from ehrbench.suites.medalign.sample.script import Patient, Question
from ehrbench.suites.medalign.sample.systems import answer_all, judge_all
from ehrbench.suites.medalign.sample.timeline import CHARACTERS_PER_TOKEN, Timeline
from ehrbench.suites.medalign.taxonomy import CATEGORY_OF

MARK = "SYNTHETIC"
_PLACEHOLDER = re.compile(r"\{(first|last|max|date|firstdate):(\w+)\}")
_WITHOUT_ANSWER = (
    "Which vaccines is this patient still missing?",
    "Has the patient left the hospital against medical advice?",
    "What is the phone number of the emergency contact?",
    "Draft a letter to the employer about work restrictions.",
    "List all imaging of the past year with its result.",
    "What did the patient weigh at the first visit in the record?",
)

Row = dict[str, str]


def _long_date(day: date) -> str:
    return f"{day:%B} {day.day}, {day.year}"


def fill(text: str, timeline: Timeline) -> str:
    """Replace placeholders such as ``{last:creatinine}`` by what the record says."""

    def value(match: re.Match[str]) -> str:
        series = timeline.values[match[2]]
        first, last = series[0], series[-1]
        highest = max(series, key=lambda one: one.value)
        return {
            "first": first.text,
            "last": last.text,
            "max": highest.text,
            "date": _long_date(last.day),
            "firstdate": _long_date(first.day),
        }[match[1]]

    return _PLACEHOLDER.sub(value, text)


def _filled(question: Question, timeline: Timeline) -> Question:
    return question._replace(
        answers=tuple(fill(answer, timeline) for answer in question.answers),
        partial=fill(question.partial, timeline),
        wrong=fill(question.wrong, timeline),
    )


def _tokens_after(day: date, timeline: Timeline) -> float:
    return sum(visit.size() for visit in timeline.visits if visit.start.date() >= day) / CHARACTERS_PER_TOKEN


def _write(path: Path, rows: Sequence[Row]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _ids(n: int) -> list[str]:
    """Ids of 8 to 10 digits as in the release, so that some exceed 32 bits."""
    rng = random.Random("ehrbench medalign sample 1, instruction ids")
    return [str(rng.randrange(10 ** rng.randint(7, 9), 9_999_999_999)) for _ in range(n)]


def _instruction_rows(item: str, patient: Patient, question: Question) -> tuple[Row, list[Row]]:
    """What every row on an instruction says, and its rows in the instruction table."""
    common = {"instruction_id": item, "question": question.question, "person_id": patient.id, "filename": f"{patient.id}.xml"}
    judged = {
        "is_applicable": "yes",
        "is_sufficient": "no" if question.subcategory == "provide risk assessment" else "yes",
    }
    rest = {"evidence": question.evidence, "submitter_specialty": question.asker, "data_source": MARK}
    rows = [
        common | {"annotator_num": f"Annotator_{number}"} | judged | {"clinician_response": answer} | rest
        for number, answer in enumerate(question.answers, 1)
    ]
    return common, rows


def _review_rows(common: Row, question: Question, tokens_after: float) -> list[Row]:
    rng = random.Random(f"ehrbench medalign sample 1, {common['instruction_id']}")
    answers = answer_all(question, question.answers, tokens_after, rng)
    rows = []
    for rater in range(1, len(question.answers) + 1):
        for answer, judgement in zip(answers, judge_all(answers, rater, rng), strict=True):
            rows.append(
                common
                | {
                    "model_name": answer.system,
                    "model_response": answer.text,
                    "model_rank": judgement.rank,
                    "binary_correct": str(int(judgement.correct)),
                    "is_used_eval": "yes" if rater == 1 else "no",
                    "annotator_num": f"Annotator_{rater}",
                    "clinician_response": question.answers[0],
                    "evidence": question.evidence,
                    "submitter_specialty": question.asker,
                    "data_source": MARK,
                }
            )
    return rows


def write_tables(release: Path, patients: Sequence[Patient], timelines: Mapping[str, Timeline]) -> None:
    """Write the release's tables, and the table of categories that the release lacks."""
    asked = [(patient, question) for patient in patients for question in patient.questions]
    ids = _ids(len(asked) + len(_WITHOUT_ANSWER))
    golds: list[Row] = []
    reviews: list[Row] = []
    categories: list[Row] = []
    everything: list[Row] = []
    for item, (patient, raw) in zip(ids, asked, strict=False):
        timeline = timelines[patient.id]
        question = _filled(raw, timeline)
        common, rows = _instruction_rows(item, patient, question)
        golds += rows
        reviews += _review_rows(common, question, _tokens_after(question.day, timeline))
        kind = {"category": CATEGORY_OF[question.subcategory], "subcategory": question.subcategory}
        categories.append({"instruction_id": item} | kind | {"data_source": MARK})
        everything.append({"instruction_id": item, "question": question.question, "data_source": MARK})
    for item, text in zip(ids[len(asked) :], _WITHOUT_ANSWER, strict=True):
        everything.append({"instruction_id": item, "question": text, "data_source": MARK})
    _write(release / "clinician-instruction-responses.tsv", golds)
    _write(release / "clinician-reviewed-model-responses.tsv", reviews)
    _write(release / "instruction-categories.csv", categories)
    _write(release / "all-instructions-rouge.tsv", everything)
