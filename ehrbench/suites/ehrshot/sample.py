"""The synthetic EHRSHOT: invented patients in the layout of the original release, made into what the reader reads."""

from __future__ import annotations

import csv
import random
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

from ehrbench.suites.ehrshot.labels import FINDINGS, Task
from ehrbench.suites.ehrshot.prepare import prepare

README = """\
SYNTHETIC DATA. Every patient, event and label in this folder is invented.

The layout is that of EHRSHOT as MEDS; nothing here is from EHRSHOT or from any person's record. ehrbench generates these files
from its own source, the same bytes each time, so that every command can be tried without the release. Scores on them say that
an installation works, nothing about a model.
"""
PATIENTS = 36
FIRST = 990_000_001
LABS = {
    "lab_thrombocytopenia": ("LOINC/777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", 240.0, 0.4),
    "lab_hyperkalemia": ("LOINC/2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", 4.2, 1.5),
    "lab_hypoglycemia": ("LOINC/14749-6", "Glucose [Moles/volume] in Serum or Plasma", "mmol/L", 5.6, 0.6),
    "lab_hyponatremia": ("LOINC/2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", 140.0, 0.93),
    "lab_anemia": ("LOINC/718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 13.8, 0.7),
}
"""Code, name, unit, a usual value, and the factor that makes it abnormal."""
DIAGNOSES = {
    "new_hypertension": ("SNOMED/59621000", "Essential hypertension"),
    "new_hyperlipidemia": ("SNOMED/55822004", "Hyperlipidemia"),
    "new_pancan": ("SNOMED/372003004", "Primary malignant neoplasm of pancreas"),
    "new_celiac": ("SNOMED/396331005", "Celiac disease"),
    "new_lupus": ("SNOMED/55464009", "Systemic lupus erythematosus"),
    "new_acutemi": ("SNOMED/57054005", "Acute myocardial infarction"),
}
OTHERS = {
    "SNOMED/3950001": "Birth",
    "Gender/F": "FEMALE",
    "Gender/M": "MALE",
    "Visit/IP": "Inpatient Visit",
    "Visit/OP": "Outpatient Visit",
    "SNOMED/267036007": "Dyspnea",
    "SNOMED/22253000": "Pain",
    "SNOMED/386661006": "Fever",
    "RxNorm/161": "acetaminophen",
    "RxNorm/4603": "furosemide",
    "RxNorm/6918": "metoprolol",
    "CPT4/71046": "Radiologic examination, chest; 2 views",
}
_EPOCH = datetime.fromisoformat("2015-01-05")
Event = tuple[int, datetime, datetime | None, str, str, str, str]


def generate(folder: Path) -> None:
    """Write the synthetic release into an empty folder."""
    with tempfile.TemporaryDirectory() as scratch:
        assets = Path(scratch) / "EHRSHOT_ASSETS"
        write_assets(assets)
        prepare(assets, folder, assets / "CONCEPT.csv")
    (folder / "README-SYNTHETIC.txt").write_text(README, encoding="utf-8", newline="\n")


def write_assets(assets: Path) -> None:
    """Write the same patients in the layout of the original release, with the names of their codes."""
    patients = [FIRST + n for n in range(PATIENTS)]
    labels: dict[str, list[tuple[int, datetime, int]]] = {task: [] for task in get_args(Task)}
    events = [event for n, patient in enumerate(patients) for event in _patient(n, patient, labels)]
    rows = ((n, patient, start, end or "", *rest) for n, (patient, start, end, *rest) in enumerate(events))
    _write(assets / "data" / "ehrshot.csv", ("", "patient_id", "start", "end", "code", "value", "unit", "omop_table"), rows)
    parts = [("train", "val", "test")[n % 3] for n in range(PATIENTS)]
    _write(assets / "splits" / "person_id_map.csv", ("split", "omop_person_id"), zip(parts, patients, strict=True))
    for task, found in labels.items():
        kind = "boolean" if task.startswith(("guo_", "new_")) else "categorical"
        path = assets / "benchmark" / task / "labeled_patients.csv"
        _write(path, ("patient_id", "prediction_time", "value", "label_type"), ((*label, kind) for label in sorted(found)))
    names = OTHERS | {code: name for code, name, *_ in LABS.values()} | dict(DIAGNOSES.values())
    concepts = ((n, name, *code.split("/", 1)) for n, (code, name) in enumerate(names.items(), 1))
    _write(assets / "CONCEPT.csv", ("concept_id", "concept_name", "vocabulary_id", "concept_code"), concepts, "\t")


def _patient(n: int, patient: int, labels: dict[str, list[tuple[int, datetime, int]]]) -> Iterator[Event]:
    """Two outpatient visits and a hospital stay of an invented patient; the labels go to ``labels``."""
    draw = random.Random(patient)
    born = _EPOCH - timedelta(days=7_300 + draw.randrange(21_900))
    yield patient, born, None, "SNOMED/3950001", "", "", "person"
    yield patient, born, None, draw.choice(("Gender/F", "Gender/M")), "", "", "person"
    ill = (n // 3) % 2 == 1  # half of each part of the split
    start = _EPOCH + timedelta(days=draw.randrange(900), hours=9)
    for days in (0, 90):
        at = start + timedelta(days=days)
        yield patient, at, at + timedelta(minutes=40), "Visit/OP", "", "", "visit_occurrence"
        yield patient, at, None, draw.choice(list(OTHERS)[5:8]), "", "", "condition_occurrence"
        yield from _results(draw, patient, at, labels, abnormal=False)
    admitted = start + timedelta(days=200, hours=draw.randrange(8))
    left = admitted + timedelta(days=9 if ill else 3)
    yield patient, admitted, left, "Visit/IP", "", "", "visit_occurrence"
    yield patient, admitted, None, draw.choice(list(OTHERS)[5:8]), "", "", "condition_occurrence"
    for day in range(4):
        at = admitted + timedelta(days=day, hours=2)
        yield patient, at, at + timedelta(days=2), draw.choice(list(OTHERS)[8:11]), "", "", "drug_exposure"
        yield from _results(draw, patient, at, labels, abnormal=ill and day > 1)
    film = admitted + timedelta(days=2, hours=5)
    yield patient, film, None, "CPT4/71046", "", "", "procedure_occurrence"
    bits = "".join(str(int((n // 3 + k) % 2)) for k in range(len(FINDINGS)))
    labels["chexpert"].append((patient, film - timedelta(hours=24), int(bits, 2)))
    evening, last = (time.replace(hour=23, minute=59) for time in (admitted, left))
    labels["guo_los"].append((patient, evening, ill))
    labels["guo_icu"].append((patient, evening, draw.random() < 0.2 or n in (2, 5)))
    labels["guo_readmission"].append((patient, last, draw.random() < 0.3 or n in (2, 5)))
    for k, (task, (code, _)) in enumerate(DIAGNOSES.items()):
        found = (n // 3) % len(DIAGNOSES) == k
        labels[task].append((patient, last, found))
        if found:
            yield patient, last + timedelta(days=60), None, code, "", "", "condition_occurrence"


def _results(
    draw: random.Random, patient: int, at: datetime, labels: dict[str, list[tuple[int, datetime, int]]], *, abnormal: bool
) -> Iterator[Event]:
    for task, (code, _, unit, usual, factor) in LABS.items():
        value = round(usual * (factor if abnormal else 1) * draw.uniform(0.99, 1.01), 2)
        yield patient, at, None, code, str(value), unit, "measurement"
        labels[task].append((patient, at - timedelta(minutes=1), 2 if abnormal else 0))


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], separator: str = ",") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=separator, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
