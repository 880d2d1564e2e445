from __future__ import annotations

import json
from pathlib import Path

import pytest

from ehrbench.errors import MissingError, PolicyError, UsageError
from ehrbench.metrics import Scorable
from ehrbench.metrics.typed import score_typed
from ehrbench.models.protocol import Request, Response
from ehrbench.readers.samples import write_sample
from ehrbench.suites.mimic_instr.authoring.writing import paraphrase, write_reasoning
from ehrbench.suites.mimic_instr.reader import read
from tests.support.scripted import ScriptedModel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_sample("mimic_instr", tmp_path / "data" / "mimic_instr")


def reword(request: Request) -> Response:
    asked, answer = request.messages[-1].content.split("\n", 1)
    return Response(id=request.id, text=f"- Question: Please: {asked.removeprefix('Question: ')}\n- {answer}")


def test_paraphrases_stand_beside_the_exact_golds(folder: Path, tmp_path: Path) -> None:
    model = ScriptedModel(reword)
    written = paraphrase(folder, "test_subset", model, tmp_path / "runs")
    assert written[1:] == (10, 0, 0, 0)
    plain = read(folder, {})
    reworded = read(folder, {"file": "paraphrased/qa_test_subset.jsonl"})
    assert [i.question for i in reworded.items] == [f"Please: {i.question}" for i in plain.items]
    assert [i.meta for i in reworded.items] == [i.meta for i in plain.items]
    golds = [Scorable(i.id, i.references[0], i.references, question=i.question, meta=i.meta) for i in reworded.items]
    assert score_typed(golds) == [(1.0,)] * 10
    asked = len(model.asked)
    assert paraphrase(folder, "test_subset", model, tmp_path / "runs") == written
    assert len(model.asked) == asked  # nothing is bought twice


def test_what_cannot_be_read_is_tried_again_and_then_counted(folder: Path, tmp_path: Path) -> None:
    tries: dict[str, int] = {}

    def answer(request: Request) -> Response:
        words = request.messages[-1].content
        tries[words] = tries.get(words, 0) + 1
        stubborn = words == min(tries)
        return Response(id=request.id, text="I would rather not.") if tries[words] == 1 or stubborn else reword(request)

    model = ScriptedModel(answer, concurrency=1)
    written = paraphrase(folder, "test_subset", model, tmp_path / "runs")
    assert written.n_written + written.n_unreadable == 10
    assert written.n_unreadable >= 1
    assert max(tries.values()) == 3


def test_failed_calls_are_told_apart(folder: Path, tmp_path: Path) -> None:
    model = ScriptedModel(lambda request: Response(id=request.id, finish="error", error="HTTP 500"))
    written = paraphrase(folder, "test_subset", model, tmp_path / "runs")
    assert (written.n_written, written.n_unreadable, written.n_failed) == (0, 0, 10)


def test_a_remote_writer_needs_an_approval(folder: Path, tmp_path: Path) -> None:
    model = ScriptedModel(reword, endpoint="https://example.com/v1", is_remote=True)
    with pytest.raises(PolicyError):
        paraphrase(folder, "test_subset", model, tmp_path / "runs")
    assert model.asked == []
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(manifest | {"open_data": True}))
    assert paraphrase(folder, "test_subset", model, tmp_path / "runs").n_written == 10
    with pytest.raises(PolicyError):  # a discharge summary is never open
        write_reasoning(folder, notes(folder), model, tmp_path / "runs")


def notes(folder: Path) -> dict[int, str]:
    admissions = [int(line.split(",")[1]) for line in (folder / "cohort.csv").read_text().splitlines()[1:]]
    course = " ".join(["She", "was", "treated"] * 15)
    return {hadm: f"Brief Hospital Course:\n{course} {hadm}.\n\nDischarge Condition:\nGood" for hadm in admissions}


def test_questions_are_written_from_hospital_courses(folder: Path, tmp_path: Path) -> None:
    texts = notes(folder)
    first, second, third, *_ = sorted(texts)
    texts[second] = texts[first]  # a course that repeats another's
    texts[third] = "Brief Hospital Course:\nShort."
    model = ScriptedModel(lambda request: Response(id=request.id, text="- Question: Why ___?\n- Answer: Because."))
    written = write_reasoning(folder, texts | {5: texts[first]}, model, tmp_path / "runs")
    assert (written.n_written, written.n_masked) == (10, 10)
    assert {m[-1].content.split()[0] for m in model.asked} == {"She"}
    items = read(folder, {"source": "note", "split": "all"}).items
    assert {item.question for item in items} == {"Why ___?"}
    assert str(second) not in {item.record_id for item in items}


def test_what_is_missing_is_said(folder: Path, tmp_path: Path) -> None:
    model = ScriptedModel(reword)
    with pytest.raises(UsageError, match="unknown split 'tests'"):
        paraphrase(folder, "tests", model, tmp_path / "runs")
    with pytest.raises(MissingError, match="ehrbench data prepare mimic_instr"):
        paraphrase(tmp_path, "test", model, tmp_path / "runs")
    with pytest.raises(MissingError, match="--notes"):
        write_reasoning(folder, {}, model, tmp_path / "runs")
