"""FHIR R4 bulk exports: what each resource becomes, times and units, and what leads nowhere."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ehrbench.cli import app
from ehrbench.errors import MissingError, UsageError
from ehrbench.readers.fhir.reader import read
from tests.readers.test_hashed_files import files_read, load_all
from tests.readers.test_omop import ask, texts

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
PETRA = {"subject": {"reference": "Patient/petra"}, "encounter": {"reference": "Encounter/e1"}}


def code(system: str, value: str, display: str = "") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": value, **({"display": display} if display else {})}]}


def note(text: str, kind: str = "text/plain; charset=utf-8", charset: str = "utf-8") -> dict[str, Any]:
    return {"attachment": {"contentType": kind, "data": base64.b64encode(text.encode(charset)).decode()}}


EXPORT: dict[str, list[dict[str, Any]]] = {
    "Patient": [
        {
            "id": "petra", "gender": "female", "birthDate": "1950-03", "deceasedDateTime": "2020-06-01",
            "extension": [
                {
                    "url": "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race",
                    "extension": [
                        {"url": "ombCategory", "valueCoding": {"display": "W"}}, {"url": "text", "valueString": "White"}
                    ],
                }
            ],
        },
        {"id": "paul", "birthDate": "1960"},
    ],
    "Encounter": [
        {
            "id": "e1", "status": "finished", "class": {"code": "IMP", "display": "inpatient encounter"}, **PETRA,
            "period": {"start": "2020-04-30T07:00:00Z", "end": "2020-05-04T11:00:00+02:00"},
            "hospitalization": {"dischargeDisposition": {"text": "Home"}},
        }
    ],
    "Condition": [
        {"id": "c1", "code": code(SNOMED, "44054006", "Type 2 diabetes"), "onsetDateTime": "2020-05-01",
         "abatementDateTime": "2020-05-03", **PETRA},
        {"id": "c2", "code": code("http://hl7.org/fhir/sid/icd-10-cm", "I10"),
         "verificationStatus": {"coding": [{"code": "provisional"}]}, **PETRA},
        {"id": "c3", "code": {"text": "never was"}, "verificationStatus": {"coding": [{"code": "entered-in-error"}]}, **PETRA},
    ],
    "Observation": [
        {
            "id": "o1", "status": "final", "category": [code("c", "laboratory")], "code": code(LOINC, "2160-0", "Creatinine"),
            "effectiveDateTime": "2020-05-01T10:30:00+02:00", **PETRA,
            "valueQuantity": {"value": 1.70, "unit": "mg/dL", "code": "mg/dL", "comparator": ">"},
            "referenceRange": [{"low": {"value": 0.5, "unit": "mg/dL"}, "high": {"value": 1.2, "unit": "mg/dL"}}],
            "interpretation": [{"text": "High"}], "note": [{"text": "repeat\nit"}],
        },
        {
            "id": "o2", "status": "preliminary", "category": [code("c", "vital-signs")], "code": {"text": "Blood pressure"},
            "effectivePeriod": {"start": "2020-05-01T09:00:00.500Z"}, **PETRA,
            "component": [
                {"code": code(LOINC, "8480-6", "Systolic"), "valueQuantity": {"value": 120, "code": "mm[Hg]"}},
                {"code": code(LOINC, "8462-4", "Diastolic"), "valueQuantity": {"value": 80, "unit": "mmHg"}},
            ],
        },
        {"id": "o3", "code": {"text": "Smoking"}, "issued": "2020-05-02T00:00:00Z", **PETRA,
         "valueCodeableConcept": {"text": "Never"}},
        {"id": "o4", "code": {"text": "Fall"}, "effectiveDateTime": "2020", "valueBoolean": False,
         "subject": {"reference": "http://ward.example/fhir/Patient/paul"}},
    ],
    "Medication": [{"id": "m1", "code": code("http://www.nlm.nih.gov/research/umls/rxnorm", "5224", "Heparin")}],
    "MedicationRequest": [
        {
            "id": "r1", "status": "active", "intent": "order", "authoredOn": "2020-05-01T12:00:00Z", **PETRA,
            "medicationReference": {"reference": "Medication/m1"},
            "dosageInstruction": [
                {"text": "slowly", "route": {"text": "IV"},
                 "timing": {"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}},
                 "doseAndRate": [{"doseQuantity": {"value": 5000, "unit": "UNIT"}}]}
            ],
            "dispenseRequest": {"validityPeriod": {"start": "2020-05-01T12:00:00Z", "end": "2020-05-02T12:00:00Z"}},
        },
        {"id": "r2", "status": "stopped", "authoredOn": "2020-05-02T13:00:00Z", "medicationReference": {"reference": "#own"},
         "contained": [{"resourceType": "Medication", "id": "own", "code": {"text": "Aspirin"}}], **PETRA},
    ],
    "Procedure": [
        {"id": "p1", "status": "completed", "code": {"text": "Dialysis"}, "bodySite": [{"text": "left arm"}], **PETRA,
         "performedPeriod": {"start": "2020-05-02T08:00:00Z", "end": "2020-05-02T12:00:00Z"}}
    ],
    "DocumentReference": [
        {"id": "d1", "status": "current", "type": {"text": "Progress"}, "date": "2020-05-02T16:00:00Z",
         "subject": {"reference": "urn:uuid:petra"}, "content": [note("She wälks.\n2020-01-01 00:00, she says.")]}
    ],
    "Practitioner": [{"id": "x"}],
}  # fmt: skip
ASKED = [
    {"id": "a", "patient": "petra", "question": "?", "answer": "x"},
    {"id": "b", "patient": "petra", "question": "?", "answer": "x", "prediction_time": "2020-05-01T14:00:00+02:00"},
    {"id": "c", "patient": "paul", "question": "?", "answer": "x"},
]


def write(root: Path, export: dict[str, list[dict[str, Any]]]) -> None:
    for kind, resources in export.items():
        rows = [json.dumps({"resourceType": kind, **resource}) + "\n" for resource in resources]
        (root / f"Ward{kind}.000.ndjson").write_text("".join(rows), encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, EXPORT)
    ask(tmp_path, ASKED)
    return tmp_path


def change(root: Path, kind: str, n: int, **keys: Any) -> None:
    resources = [dict(resource) for resource in EXPORT[kind]]
    resources[n] = {key: value for key, value in (resources[n] | keys).items() if value is not None}
    write(root, {kind: resources})


def test_a_patients_resources_become_one_record(root: Path) -> None:
    data = read(root, {})
    assert texts(data)["a"].split("\n") == [
        "Patient at 2020-06-01 23:59:59",
        "BORN: 1950-03-01 (age 70 years)",
        "GENDER: female",
        "RACE: White",
        "",
        "2020-04-30 07:00, VISIT: inpatient encounter [IMP]",
        "2020-05-01 08:30, LABORATORY: Creatinine [LOINC/2160-0] = 1.7 mg/dL; comparator >; range 0.5 mg/dL to 1.2 mg/dL; "
        "interpretation High; note repeat it",
        "2020-05-01 09:00, VITAL SIGNS: Systolic [LOINC/8480-6] = 120 mm[Hg]; status preliminary",
        "2020-05-01 09:00, VITAL SIGNS: Diastolic [LOINC/8462-4] = 80 mmHg; status preliminary",
        "2020-05-01 12:00, MEDICATION: Heparin [RxNorm/5224] = 5000 UNIT; route IV; frequency 3 per 1 d; instructions slowly",
        "2020-05-01 23:59:59, CONDITION: Type 2 diabetes [SNOMED/44054006]",
        "2020-05-02 00:00, OBSERVATION: Smoking = Never",
        "2020-05-02 08:00, PROCEDURE: Dialysis; body site left arm",
        "2020-05-02 12:00, MEDICATION END: Heparin [RxNorm/5224]",
        "2020-05-02 12:00, PROCEDURE END: Dialysis",
        "2020-05-02 13:00, MEDICATION: Aspirin; status stopped",
        "2020-05-02 16:00, NOTE: Progress",
        "    | She wälks.",
        "    | 2020-01-01 00:00, she says.",
        "2020-05-03 23:59:59, CONDITION END: Type 2 diabetes [SNOMED/44054006]",
        "2020-05-04 09:00, VISIT END: inpatient encounter [IMP]; disposition Home",
        "2020-05-04 09:00, CONDITION: ICD10CM/I10; status provisional",
        "2020-06-01 23:59:59, DEATH",
    ]
    assert data.coverage == "94 % of 16 events have a name, 100 % of 4 events with a number have a unit"
    assert sorted(data.warnings) == [
        f"FHIR: {root / 'WardCondition.000.ndjson'}: 1 resources are entered in error and left out",
        f"FHIR: {root}: resources of Practitioner are not read",
    ]


def test_nothing_that_comes_after_a_prediction_is_shown(root: Path) -> None:
    found = texts(read(root, {}))
    assert found["b"].startswith("Patient at 2020-05-01 12:00\n")
    assert found["b"].endswith("instructions slowly")
    assert "diabetes" not in found["b"], "a day counts to its end"
    assert (
        found["c"]
        == "Patient at 2020-12-31 23:59:59\nBORN: 1960-01-01 (age 60 years)\n\n2020-12-31 23:59:59, OBSERVATION: Fall = no"
    )


def test_compressed_files_say_the_same_and_every_file_counts(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = texts(read(root, {}))
    for path in list(root.glob("*.ndjson")):
        (root / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    with files_read(root, monkeypatch) as found:
        data = read(root, {})
        load_all(data)
    assert texts(data) == before
    assert {path.resolve() for path in data.files} >= {path for path in found if "Practitioner" not in path.name}
    assert len(data.files) == len(EXPORT)  # Practitioner is not read, the questions are


MANY = [{"resourceType": "Observation", **EXPORT["Observation"][2], "id": str(n)} for n in range(200)]


@pytest.mark.parametrize(
    ("kind", "n", "keys", "said"),
    [
        ("Observation", 3, {"subject": {"reference": "Patient/nobody"}}, r"1 of 4 resources are left out, as their reference "
         r"to a patient leads nowhere \(first: line 4\); more than 1% may not be left out"),
        ("Observation", 0, {"subject": None}, r"reference to a patient leads nowhere \(first: line 1\)"),
        ("MedicationRequest", 0, {"medicationReference": {"reference": "Medication/m9"}},
         r"reference to a medication leads nowhere \(first: line 1\)"),
        ("Condition", 1, {"encounter": {"reference": "Encounter/e9"}}, r"are left out, as they have no time \(first: line 2\)"),
        ("Procedure", 0, {"code": None}, r"as nothing says what they are about \(first: line 1\)"),
        ("Procedure", 0, {"performedPeriod": {"start": "yesterday"}}, r"ndjson:1: a time that is not one of FHIR's"),
        ("Observation", 0, {"valueQuantity": {"value": "x"}}, r"ndjson:1: the Observation is not built as FHIR R4 has it"),
        ("Encounter", 0, {"period": "long"}, r"ndjson:1: the Encounter is not built as FHIR R4 has it"),
        ("DocumentReference", 0, {"content": [{"attachment": {"data": "%%%"}}]},
         r"ndjson:1: the DocumentReference has an attachment that is not base64"),
        ("DocumentReference", 0, {"content": [note("\xe9", charset="latin-1")]}, r"not in the encoding that it names"),
        ("Patient", 1, {"id": "petra"}, r"ndjson:2: the Patient is in an earlier line, too"),
        ("Patient", 1, {"id": None}, r"ndjson:2: the Patient has no id"),
        ("Patient", 1, {"resourceType": "Person"}, r"ndjson:2: not a Patient as the first line is"),
        ("Patient", 0, {"resourceType": ""}, r"ndjson:1: no resourceType"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_with_file_and_line(root: Path, kind: str, n: int, keys: dict[str, Any], said: str) -> None:
    change(root, kind, n, **keys)
    with pytest.raises(UsageError, match=said) as refused:
        read(root, {})
    assert f"Ward{kind}.000.ndjson" in str(refused.value)
    assert "She" not in str(refused.value)


def test_few_dead_references_are_a_warning(root: Path) -> None:
    lost = {**MANY[0], "subject": {"reference": "Patient/nobody"}}
    astray = {**MANY[0], "encounter": {"reference": "Encounter/e9"}}
    (root / "WardObservation.000.ndjson").write_text("".join(json.dumps(row) + "\n" for row in [*MANY, lost, astray]))
    warnings = " ".join(read(root, {}).warnings)
    assert "1 of 202 resources are left out, as their reference to a patient leads nowhere (first: line 201)" in warnings
    assert "1 of 202 resources name an encounter that the patient does not have (first: line 202)" in warnings


def test_attachments_without_a_text_are_counted(root: Path) -> None:
    elsewhere = [{"attachment": {"contentType": "application/pdf", "url": "Binary/1"}}]
    change(root, "DocumentReference", 0, content=elsewhere)
    data = read(root, {})
    assert "2020-05-02 16:00, NOTE: Progress\n2020" in texts(data)["a"]
    assert any("1 of 1 resources have an attachment whose text is not in the file" in warning for warning in data.warnings)


def test_damaged_lines_and_absent_files(root: Path, tmp_path: Path) -> None:
    path = root / "WardProcedure.000.ndjson"
    path.write_text(path.read_text() + "{\n")
    with pytest.raises(UsageError, match=r"WardProcedure\.000\.ndjson:2: not a JSON object"):
        read(root, {})
    path.unlink()
    (root / "WardProcedure.ndjson.gz").write_bytes(gzip.compress(b"{}" * 100)[:20])
    with pytest.raises(UsageError, match=r"WardProcedure\.ndjson\.gz cannot be read"):
        read(root, {})
    (root / "WardProcedure.ndjson.gz").unlink()
    ask(root, [{"id": "a", "patient": "nobody", "question": "?", "answer": "x"}])
    with pytest.raises(UsageError, match=r"items\.jsonl:1: 'patient' is not a subject of the FHIR export"):
        read(root, {})
    (root / "WardPatient.000.ndjson").unlink()
    with pytest.raises(MissingError, match="has no .ndjson file of Patient resources"):
        read(root, {})
    (root / "items.jsonl").unlink()
    with pytest.raises(MissingError, match="the questions about the FHIR export"):
        read(root, {})


def test_a_task_is_validated_and_run(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    place = tmp_path_factory.mktemp("task")
    lines = (
        "task: ward",
        "version: 1",
        f"data: {{reader: fhir, path: {root.name}, policy: open}}",
        "record: {context: truncate, keep: end}",
        "prompt: {user: '{{ record }} {{ question }}'}",
        "metrics: [rouge_l]",
        "primary: rouge_l",
    )
    (place / "ward.yaml").write_text("\n".join(lines), encoding="utf-8")
    asked = ["--tasks", "ward", "--include-path", str(place), "--data-dir", str(root.parent)]
    done = CliRunner().invoke(app, ["run", "--model", "baseline:newest", *asked, "--out", str(place / "out"), "--quiet"])
    assert done.exit_code == 0, (done.output, done.exception)
    assert "3 items: 3 answered" in done.output
    words = ["data", "status", "ward", *asked[2:], "--read"]
    assert "94 % of 16 events have a name" in CliRunner().invoke(app, words).stdout
