"""MedS-Bench's withdrawn files, built from small made-up copies of their sources."""

from __future__ import annotations

import csv
import gzip
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.suites.meds_bench.build import Sources, emergency, entailment, prepare, public, radiology
from ehrbench.suites.meds_bench.build.release import Draw
from ehrbench.suites.meds_bench.reader import read
from ehrbench.tasks.catalog import load_catalog


def note(what: str, findings: str = "Nothing.", impression: str = "Normal.") -> str:
    return f"EXAMINATION:  {what}\n\nINDICATION:  Pain.\n\nFINDINGS:\n{findings}\n\nIMPRESSION:\n\n{impression}\n"


@pytest.mark.parametrize(
    ("named", "clean", "paper"),
    [
        ("CT CHEST W/CONTRAST", "ct.chest", "ct.chest"),
        ("CTA HEAD AND NECK", "ct.head_and_neck", "ct.head_and_neck"),
        ("MRI of the brain", "mri.brain", "mri.brain"),
        ("MR L SPINE", "mri.spine", None),
        ("MRI pelvis, fracture?", "mri.pelvis", "ct.pelvis"),  # "ct" stands in "fracture"
        ("Chest, rib fracture", None, "ct.chest"),
        ("CT AND MRI OF THE CHEST", "ct.chest", "ct.chest"),
        ("CT head, chest", "ct.chest", "ct.chest"),  # the first in the fixed order, not in the name
        ("LIVER ULTRASOUND", "ultrasound", "ultrasound"),
        ("RENAL U.S.; US KIDNEY", "ultrasound", None),
        ("CT FOOT", None, None),
        ("KNEE, TWO VIEWS", None, None),
    ],
)
def test_what_an_examination_is(named: str, clean: str | None, paper: str | None) -> None:
    assert radiology.examination(named, "clean") == clean
    assert radiology.examination(named, "paper") == paper


def test_parts_of_notes_and_reports() -> None:
    text = note("CT CHEST", "  Lungs:\n clear. ", "1. Fine.\n2. Well.")
    assert radiology.note_parts(text) == ("  CT CHEST\n\n", "Lungs:\n clear.", "1. Fine.\n2. Well.")
    assert radiology.note_parts(text.replace("INDICATION", "HISTORY")) is None
    assert radiology.note_parts(note("CT", " \n ")) is None
    assert radiology.report_parts("FINDINGS:\n The lungs\n are clear.\n IMPRESSION: No\n change.\n") == (
        "The lungs  are clear.",
        "No  change.",
    )
    assert radiology.report_parts("IMPRESSION: a FINDINGS: b") is None
    assert radiology.report_parts("FINDINGS: a") is None


def notes_table(folder: Path, rows: list[tuple[str, str, str]], name: str = "radiology.csv.gz") -> Path:
    path = folder / name
    with gzip.open(path, "wt", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["note_id", "subject_id", "hadm_id", "text"])
        writer.writerows((note_id, subject, "", text) for note_id, subject, text in rows)
    return path


def test_notes_are_sorted_drawn_and_written_for_the_reader(tmp_path: Path) -> None:
    rows = [(f"n{i}", f"10{i % 7}", note("CT CHEST", f"Finding {i}.", f"Impression {i}.")) for i in range(150)]
    rows += [("m1", "200", note("MRI BRAIN")), ("x1", "200", note("KNEE")), ("u1", "201", "no headings")]
    table = notes_table(tmp_path, rows)
    built = {one.place: one for one in prepare(Sources(radiology=table), tmp_path / "out")}
    assert len(built) == 13
    chest = built[radiology.FILES["ct.chest"]]
    assert (chest.n, chest.n_eligible) == (100, 150)
    assert built[radiology.FILES["mri.brain"]].n == 1
    assert built[radiology.FILES["ultrasound"]].path is None
    again = prepare(Sources(radiology=notes_table(tmp_path, rows[::-1], "turned.csv.gz")), tmp_path / "again")
    texts = [next(one.path for one in some if one.place == chest.place).read_bytes() for some in (built.values(), again)]
    assert texts[0] == texts[1]  # the order of the table decides nothing
    spec = load_catalog().get("meds_bench.text_summarization.ct.chest")
    dataset = read(tmp_path / "out", spec.data.options)
    assert len(dataset.items) == 100
    assert dataset.track == ""
    assert {item.group for item in dataset.items} == {f"patient 10{i}" for i in range(7)}
    assert all("n1" not in item.id and "patient" not in item.id for item in dataset.items)
    folder = tmp_path / "out" / "prepared"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text() == "*\n"


def test_chest_x_rays_from_a_folder_and_from_a_zip_are_the_same(tmp_path: Path) -> None:
    reports = {f"files/p10/p1000{i % 5}/s5000{i}.txt": f"FINDINGS: f{i}. IMPRESSION: i{i}." for i in range(9)}
    reports["files/p10/p10009/s60000.txt"] = "IMPRESSION: alone"
    with zipfile.ZipFile(tmp_path / "reports.zip", "w") as archive:
        for name, text in reports.items():
            path = tmp_path / "mimic-cxr" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            archive.writestr(name, text)
    folder = radiology.read_reports(tmp_path / "mimic-cxr", 4, 0)
    assert folder.result() == radiology.read_reports(tmp_path / "reports.zip", 4, 0).result()
    assert len(folder.result()) == 4
    assert len(radiology.read_reports(tmp_path / "mimic-cxr", 100, 0).result()) == 9
    assert folder.result()[0].group.startswith("patient p1000")


HEADER = [
    *("subject_id", "stay_id", "age", "gender"),
    *(f"n_{kind}_{days}d" for kind in ("ed", "hosp", "icu") for days in (30, 90, 365)),
    *(f"triage_{name}" for name in ("temperature", "heartrate", "resprate", "o2sat", "sbp", "dbp", "pain", "acuity")),
    *(f"chiefcom_{i}" for i in range(10)),
    *(f"cci_{i}" for i in range(17)),
    *(f"eci_{i}" for i in range(18)),
    *(f"ed_{name}_last" for name in ("temperature", "heartrate")),
    *("ed_los", "n_med", "n_medrecon"),
    *("outcome_hospitalization", "outcome_critical", "outcome_ed_revisit_3d", "outcome_inhospital_mortality"),
]


def stays_table(folder: Path, header: list[str] = HEADER, n: int = 20, **cells: str) -> Path:
    path = folder / "master_dataset.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for i in range(n):
            row = {name: f"{name}{i}" for name in header}
            row |= {name: str(i % 4 == 0) for name in header if name.startswith("outcome_")}
            row |= {"subject_id": str(i // 2), "age": "", **cells}
            writer.writerow([row[name] for name in header])
    return path


def test_stays_are_balanced_and_written_one_value_a_line(tmp_path: Path) -> None:
    found = emergency.read_stays(stays_table(tmp_path), 6, 0)
    assert set(found) == {"hospitalization", "ed_revisit_72h", "critical_triage"}
    for stays in found.values():
        assert sorted(stay.output for stay in stays) == ["False"] * 3 + ["True"] * 3
    lines = found["hospitalization"][0].input.split("\n")
    assert [line.partition(":")[0] for line in lines] == HEADER[2:66]
    assert lines[0] == "age: nan"
    assert lines[1].startswith("gender: gender")
    names = [line.partition(":")[0] for line in found["ed_revisit_72h"][0].input.split("\n")]
    assert names == [*HEADER[2:13], "triage_pain", "triage_acuity", *HEADER[21:66], *HEADER[66:71]]
    assert found["hospitalization"][0].group is not None


@pytest.mark.parametrize(
    ("header", "cells", "message"),
    [
        ([name for name in HEADER if name != "cci_3"], {}, r":1: 16 columns cci_\\w\+, where 17 are expected"),
        ([name for name in HEADER if name != "outcome_critical"], {}, ":1: no column outcome_critical"),
        (HEADER, {"outcome_critical": "perhaps"}, "row 1: 'outcome_critical' is neither True nor False"),
    ],
)
def test_wrong_tables_of_stays(tmp_path: Path, header: list[str], cells: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        emergency.read_stays(stays_table(tmp_path, header, **cells), 6, 0)


def pairs_file(folder: Path) -> Path:
    rows = [
        {"sentence1": "The patient IS well.", "sentence2": "He is well", "gold_label": "entailment", "pairID": "1"},
        {"sentence1": "The patient IS well.", "sentence2": "He is ill", "gold_label": "contradiction"},
        {"sentence1": "The patient IS well.", "sentence2": "He is tall", "gold_label": "neutral"},
        {"sentence1": "no fever.", "sentence2": "There was no fever", "gold_label": "entailment"},
    ]
    path = folder / entailment.TEST_FILE
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_pairs_and_the_protocols_reading_of_them(tmp_path: Path) -> None:
    pairs_file(tmp_path)
    prepare(Sources(mednli=tmp_path), tmp_path / "out")
    catalog = load_catalog()
    asked = read(tmp_path / "out", catalog.get("meds_bench.nli.mednli_discriminative").data.options).items
    assert asked[1].question == "Sentence1: The patient IS well.\n\nSentence2: He is ill"
    assert [item.references for item in asked] == [("Entailment",), ("Contradiction",), ("Neutral",), ("Entailment",)]
    assert asked[0].group == asked[2].group != asked[3].group
    name = "meds_bench.nli.mednli_generative"
    clean, paper = (read(tmp_path / "out", catalog.get(name, p).data.options).items for p in ("clean", "paper"))
    assert [(item.question, item.references[0]) for item in clean] == [
        ("The patient is well.", "He is well."),
        ("No fever.", "There was no fever."),
    ]
    assert len(paper) == 4
    (tmp_path / entailment.TEST_FILE).write_text('{"sentence1": "a", "sentence2": "b", "gold_label": "-"}\n')
    with pytest.raises(UsageError, match=r"jsonl:1: expected two sentences"):
        entailment.read_pairs(tmp_path)


def workbook(path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (("File", "CHQ", "Summary"), (7, "My heel & toe hurt.", "How to heal a heel?"), (None, "Eyes?", "Why?")):
        sheet.append(row)
    book.save(path)


def test_a_row_of_json_ends_at_a_newline_and_nowhere_else(tmp_path: Path) -> None:
    """JSON may hold the other ends of lines that Python knows as they are."""
    path = tmp_path / "rct.jsonl"
    path.write_text('{"Abstract": "a\u2028b\x85c", "Conclusion": "d"}\n', "utf-8")
    draw = public.read_pairs(path, public.RCT_COLUMNS, 5, 0, "x")
    assert draw.seen == 1


def test_tables_of_texts_and_summaries(tmp_path: Path) -> None:
    workbook(tmp_path / "MeQSum.xlsx")
    (tmp_path / "rct.jsonl").write_text('{"Abstract": "a b", "Conclusion": "c"}\n{"Abstract": "", "Conclusion": "c"}\n')
    prepare(Sources(meqsum=tmp_path / "MeQSum.xlsx", rct=tmp_path / "rct.jsonl"), tmp_path / "out")
    catalog = load_catalog()
    questions = read(tmp_path / "out", catalog.get("meds_bench.text_summarization.medqsum").data.options).items
    assert {(item.question, item.references[0]) for item in questions} == {
        ("My heel & toe hurt.", "How to heal a heel?"),
        ("Eyes?", "Why?"),
    }
    assert len(read(tmp_path / "out", catalog.get("meds_bench.text_summarization.rct").data.options).items) == 1
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="row 1 has no columns CHQ"):
        public.read_pairs(tmp_path / "bad.csv", public.MEQSUM_COLUMNS, 5, 0, "x")
    with zipfile.ZipFile(tmp_path / "evil.xlsx", "w") as book:
        book.writestr("xl/worksheets/sheet1.xml", '<!DOCTYPE a [<!ENTITY b "c">]><worksheet/>')
    with pytest.raises(UsageError, match="not a workbook that can be read"):
        public.read_pairs(tmp_path / "evil.xlsx", public.MEQSUM_COLUMNS, 5, 0, "x")


def test_every_built_file_is_one_that_a_task_reads() -> None:
    wanted = {
        "/".join((t.data.options["folder"], t.data.options["file"]))
        for t in load_catalog().select("meds_bench")
        if not t.facts["on_hub"]
    }
    built = {*radiology.FILES.values(), radiology.CXR_FILE, *(o.file for o in emergency.OUTCOMES.values())}
    built |= {entailment.DISCRIMINATIVE, entailment.GENERATIVE, public.MEQSUM_FILE, public.RCT_FILE}
    assert wanted - built == {"Treatment_planning/task131_SEER_text_classification_test.json"}
    assert len(built) == 21 and built < wanted


def test_a_draw_is_the_same_whatever_the_order() -> None:
    def draw(keys: list[str], seed: int = 0) -> list[str]:
        some: Draw[str] = Draw(5, seed, "x")
        for key in keys:
            some.add(key, key)
        return some.result()

    keys = [str(i) for i in range(50)]
    assert draw(keys) == draw(keys[::-1])
    assert len(set(draw(keys))) == 5
    assert draw(keys) != draw(keys, seed=1)


def test_command_says_what_was_built_and_what_is_missing(tmp_path: Path) -> None:
    def call(*arguments: object, fails: type[EhrbenchError] | None = None) -> Any:
        result = CliRunner().invoke(app, ["data", "prepare", "meds_bench", "--out", str(tmp_path / "out"), *map(str, arguments)])
        assert (isinstance(result.exception, fails)) if fails else result.exit_code == 0, result.output
        return result

    pairs_file(tmp_path)
    shown = call("--mednli", tmp_path).stdout
    assert "NLI/task41_test_mednli_textual_entailment_discrimitive.json          4         4" in shown
    call(fails=UsageError)
    call("--radiology", tmp_path / "none.csv.gz", fails=MissingError)
    call("--mednli", tmp_path, "--rules", "loose", fails=UsageError)
    damaged = tmp_path / "radiology.csv.gz"
    damaged.write_bytes(gzip.compress(b"note_id,subject_id,text\n1,2,three\n" * 50)[:-20])
    assert "breaks off after row" in str(call("--radiology", damaged, fails=UsageError).exception)
