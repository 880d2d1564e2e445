"""A synthetic EHR-Bench: rows of all 45 tasks in the release's JSONL, about invented patients.

Golds follow from the shown events in part: what was ordered lately is likely to be ordered again, and the risks rise with a score
that the laboratory values show, so that a model that reads does better than one that guesses.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

DECISION_ROWS = 6
RISK_ROWS = 12
SEED = 20251103

_BEGIN = "Given the sequence of events that have occurred in a hospital, please "

DECISION: dict[str, tuple[str, tuple[str, ...]]] = {
    "admissions": ("Admissions", ("EW EMER.", "URGENT", "DIRECT EMER.", "ELECTIVE", "OBSERVATION ADMIT")),
    "omr": ("Online Medical Record", ("BMI (kg/m2)", "Weight (Lbs)", "Height (Inches)", "Blood Pressure")),
    "procedures_icd": (
        "Procedures International Classification of Diseases Item",
        (
            "Venous catheterization, not elsewhere classified",
            "Hemodialysis",
            "Insertion of endotracheal tube",
            "Parenteral infusion",
        ),
    ),
    "procedures_ccs": (
        "Procedures Clinical Classifications Software Item",
        ("Other vascular catheterization; not heart", "Hemodialysis", "Respiratory intubation and mechanical ventilation"),
    ),
    "diagnoses_icd": (
        "Diagnoses International Classification of Diseases Item",
        (
            "Acute kidney failure, unspecified",
            "Unspecified essential hypertension",
            "Pneumonia, organism unspecified",
            "Anemia, unspecified",
        ),
    ),
    "diagnoses_ccs": (
        "Diagnoses Clinical Classifications Software Item",
        ("Acute and unspecified renal failure", "Essential hypertension", "Pneumonia", "Septicemia (except in labor)"),
    ),
    "labevents": ("Labotary Test Events", ("Creatinine", "Sodium", "Potassium", "Hemoglobin", "Lactate", "White Blood Cells")),
    "microbiologyevents": (
        "Microbiology Test Events",
        ("URINE CULTURE", "MRSA SCREEN", "Blood Culture, Routine", "RESPIRATORY CULTURE"),
    ),
    "services": ("Services", ("MED", "SURG", "CMED", "NMED")),
    "transfers": ("Transfers", ("Medicine", "Medical Intensive Care Unit (MICU)", "Emergency Department", "discharge")),
    "emar": ("Electronic Medicine Administration Record", ("Furosemide", "Heparin", "Insulin", "Metoprolol Tartrate")),
    "poe": ("Provider Order Entry", ("Lab", "Medications", "IV therapy", "Radiology", "General Care")),
    "prescriptions": ("Prescriptions", ("Furosemide", "Heparin", "Acetaminophen", "Potassium Chloride", "Vancomycin")),
    "prescriptions_atc": (
        "Anatomical Therapeutic Chemical Classification Prescriptions",
        ("DIURETICS", "ANTITHROMBOTIC AGENTS", "ANALGESICS", "ANTIBACTERIALS FOR SYSTEMIC USE"),
    ),
    "radiology": (
        "Radiology Examinations",
        ("CHEST (PORTABLE AP)", "CT HEAD W/O CONTRAST", "RENAL U.S.", "CT ABD & PELVIS WITH CONTRAST"),
    ),
    "medrecon": ("ED Medrecon", ("Lasix", "aspirin", "lisinopril", "metformin")),
    "medrecon_atc": (
        "ED Medrecon on Anatomical Therapeutic Chemical (ATC) Classification",
        ("DIURETICS", "ANTITHROMBOTIC AGENTS", "DRUGS USED IN DIABETES"),
    ),
    "diagnosis": (
        "ED Diagnoses on International Classification of Diseases",
        ("SEPTICEMIA NOS", "DYSPNEA", "CHEST PAIN NOS", "SYNCOPE AND COLLAPSE"),
    ),
    "diagnosis_ccs": (
        "ED Diagnoses on Clinical Classifications Software Item",
        ("Septicemia (except in labor)", "Other lower respiratory disease", "Nonspecific chest pain", "Syncope"),
    ),
    "pyxis": ("ED Pyxis", ("Furosemide", "Morphine Sulfate", "Ondansetron", "Acetaminophen")),
    "chartevents": ("Chart Events", ("Heart Rate", "Respiratory Rate", "Arterial Blood Pressure mean", "Temperature Fahrenheit")),
    "ingredientevents": ("Ingredient Events", ("Water", "Free Water", "Potassium", "Calories")),
    "datetimeevents": ("Datetime Events", ("20 Gauge Insertion Date", "Last dialysis", "Foley Catheter Insertion Date")),
    "procedureevents": ("Procedure Events", ("Chest X-Ray", "Invasive Ventilation", "EKG", "Arterial Line")),
    "inputevents": ("Input Events", ("NaCl 0.9%", "Norepinephrine", "Propofol", "Heparin Sodium")),
    "outputevents": ("Output Events", ("Foley", "Void", "Chest Tube #1", "OR Urine")),
    "next_event": ("", ("labevents", "emar", "poe", "prescriptions", "chartevents")),
}
"""Task: what the instruction asks for, and the vocabulary."""

RISK: dict[str, str] = {
    "ED_Hospitalization": "predict whether the patient will be hospitalized after the emergency room visit.",
    "ED_Inpatient_Mortality": "predict whether the patient will die during hospitalization.",
    "ED_ICU_Tranfer_12hour": (
        "predict whether the patient will be transferred to the ICU within 12 hours after the emergency room."
    ),
    "ED_Reattendance_3day": (
        "predict whether the patient will return to the emergency department within 72 hours after the emergency visit."
    ),
    "ED_Critical_Outcomes": (
        "predict whether the patient will die during hospitalization or will be transferred to the ICU within 12 hours after the "
        "emergency room."
    ),
    "Inpatient_Mortality": "predict whether the patient will die during hospitalization.",
    "LengthOfStay_3day": "predict whether the patient's hospital stay will exceed 3 days.",
    "LengthOfStay_7day": "predict whether the patient's hospital stay will exceed 7 days",
    **{f"ICU_Mortality_{k}day": f"predict whether the patient will die within {k} day." for k in (1, 2, 3, 7, 14)},
    "ICU_Stay_7day": "predict whether the patient will stay in the ICU for more than 7 days.",
    "ICU_Stay_14day": "predict whether the patient will stay in the ICU for more than 14 days.",
    "ICU_Readmission": "predict whether the patient will be admitted to the ICU again during this hospitalization",
    "Readmission_30day": "predict whether the patient will be readmitted to the hospital within 30 days",
    "Readmission_60day": "predict whether the patient will be readmitted to the hospital within 60 days",
}
_ONE_LABEL = frozenset({"admissions", "services", "transfers", "next_event"})


def generate(folder: Path) -> None:
    """Write both files."""
    draw = random.Random(SEED)
    _write(folder / "ehr_bench_decision_making.jsonl", _decision_rows(draw))
    _write(folder / "ehr_bench_risk_prediction.jsonl", _risk_rows(draw))
    (folder / "SYNTHETIC.txt").write_text("Every patient, event and answer in this folder is invented.\n", encoding="utf-8")


def _write(path: Path, rows: Iterator[dict[str, Any]]) -> None:
    lines = (json.dumps({"idx": i, **row}, ensure_ascii=False) + "\n" for i, row in enumerate(rows))
    path.write_text("".join(lines), encoding="utf-8", newline="\n")


def _decision_rows(draw: random.Random) -> Iterator[dict[str, Any]]:
    for task, (asked, vocabulary) in DECISION.items():
        instruction = _BEGIN + (
            "give the next event suggestion for the patients."
            if not asked
            else f"give the next {asked} suggestion for the patients."
        )
        for number in range(DECISION_ROWS):
            labels = draw.sample(vocabulary, 1 if task in _ONE_LABEL else draw.randint(1, min(3, len(vocabulary))))
            shown = [label for label in labels if draw.random() < 0.7]
            candidates = sorted(vocabulary, key=lambda _: draw.random())
            gold: Any = labels[0] if task == "next_event" else labels
            yield {
                "instruction": instruction,
                "input": _context(draw, draw.random(), shown, asked or "Events"),
                "output": "\n".join(labels),
                "candidates": None if task == "next_event" or number == 0 else candidates,
                "task_info": {
                    "task": task,
                    "task_type": "decision_making",
                    "event": task,
                    "metric": "acc" if task == "next_event" else "em",
                    "target_key": task,
                    "bid_event": [],
                    "instruction": instruction,
                    "target": json.dumps(gold),
                    "label": gold,
                },
            }


def _risk_rows(draw: random.Random) -> Iterator[dict[str, Any]]:
    for task, question in RISK.items():
        for number in range(RISK_ROWS):
            positive = number % 2 == 0
            severity = min(1.0, max(0.0, draw.gauss(0.7 if positive else 0.35, 0.15)))
            answer = "yes" if positive else "no"
            yield {
                "instruction": _BEGIN + question,
                "input": _context(draw, severity, [], "Events"),
                "output": answer,
                "candidates": ["yes", "no"],
                "task_info": {
                    "task": task,
                    "task_type": "risk_prediction",
                    "event": task,
                    "metric": "aucroc",
                    "target_key": None,
                    "bid_event": [],
                    "instruction": _BEGIN + question,
                    "target": json.dumps(answer),
                    "label": answer,
                },
            }


def _context(draw: random.Random, severity: float, shown: list[str], heading: str) -> str:
    """A serialised record: patient, admission header and a dozen events of which the last shows some of the gold."""
    time = datetime(2150, 1, 1) + timedelta(hours=draw.randrange(24 * 300))  # noqa: DTZ001 (record times have no zone)
    blocks = [
        f"## Patient Demographics [None]\n- Anchor_Age: {draw.randint(19, 91)}\n- Gender: {draw.choice('FM')}",
        "",
        f"## Admissions [{time}]\n- Admission_Type: EW EMER.\n- Admission_Location: EMERGENCY ROOM\n- Admission_Info: None",
    ]
    for _ in range(draw.randint(11, 18)):
        time += timedelta(minutes=draw.randint(10, 100))
        blocks.append(draw.choice((_labs, _vitals, _drugs))(draw, severity, time))
    if shown:
        time += timedelta(minutes=20)
        rows = "\n".join(f"| {label} | Synthetic |" for label in shown)
        blocks.append(f"## Earlier {heading} [{time}]\n| Item_Name | Note |\n| ------ | ------ |\n{rows}")
    return "\n\n".join(blocks)


def _labs(draw: random.Random, severity: float, time: datetime) -> str:
    creatinine, lactate = 0.8 + 3 * severity * draw.uniform(0.8, 1.2), 0.9 + 5 * severity * draw.uniform(0.7, 1.3)
    flags = ["abnormal" if creatinine > 1.1 else "nan", "abnormal" if lactate > 2 else "nan"]
    return (
        f"## Labotary Test Events [{time}]\n"
        "| Item_Name | Valuenum | Valueuom | Ref_Range_Lower | Ref_Range_Upper | Flag | Comments |\n"
        "| ------ | ------ | ------ | ------ | ------ | ------ | ------ |\n"
        f"| Creatinine | {creatinine:.1f} | mg/dL | 0.4 | 1.1 | {flags[0]} | nan |\n"
        f"| Lactate | {lactate:.1f} | mmol/L | 0.5 | 2.0 | {flags[1]} | nan |"
    )


def _vitals(draw: random.Random, severity: float, time: datetime) -> str:
    return (
        f"## Vitalsign [{time}]\n- Temperature: {98 + 3 * severity * draw.random():.1f}\n- Heartrate: {70 + 50 * severity:.0f}\n"
        f"- Resprate: {16 + 12 * severity:.0f}\n- O2Sat: {98 - 8 * severity:.0f}\n- Sbp: {130 - 40 * severity:.0f}\n- Dbp: 70\n"
        "- Pain: 0\n- Rhythm: nan"
    )


def _drugs(draw: random.Random, severity: float, time: datetime) -> str:
    drug = draw.choice(("Furosemide", "Heparin", "Acetaminophen", "Norepinephrine" if severity > 0.6 else "Metoprolol Tartrate"))
    return f"## Electronic Medicine Administration Record [{time}]\n- Medication: {drug}\n- Event_Txt: Administered"
