"""Ten instructions and eight records, made by hand so that what matches what can be seen."""

from __future__ import annotations

from pathlib import Path

from ehrbench.tables import to_csv

HEADER = ("instruction_id", "question", "patient_characteristics", "clinical_context")
INSTRUCTIONS = (
    ("i1", "List the chemotherapy cycles", "breast cancer", "oncology visit"),
    ("i2", "Summarise the history of seizures", "epilepsy", ""),
    ("i3", "When was the last dialysis session", "end stage renal disease", "before a scan"),
    ("i4", "When was the last dialysis session please", "end stage renal disease", "in the clinic"),
    ("i5", "Which inhalers does the patient use", "asthma", ""),
    ("i6", "Was the pacemaker checked", "heart block", "device clinic"),
    ("i7", "Summarize the history of seizures", "epilepsy", ""),
    ("i8", "How did the wound heal", "hip fracture", "after surgery"),
    ("i9", "Is there a plan for insulin", "diabetes", ""),
    ("i10", "Draft a letter", "", ""),
)
NEAR_DUPLICATES = {"i4": ("i3", 12 / 13), "i7": ("i2", 4 / 5)}
"""By hand: 6 of 6 and 7 words in common, 2 * 6 / 13; 4 of 5 and 5 words, 2 * 4 / 10."""

RECORDS = {
    "101": "2020-01-02 Breast cancer, second cycle of chemotherapy. Oncology visit.",
    "102": "2020-02-03 Epilepsy. Two seizures in a month, history of seizures since childhood.",
    "103": "2021-05-06 End stage renal disease. Dialysis session on Monday, last dialysis on Friday.",
    "104": "2021-07-08 Asthma. Two inhalers, used daily.",
    "105": "2022-01-01 Heart block, pacemaker checked in the device clinic.",
    "106": "2022-03-04 Hip fracture, surgery, wound dry. Epilepsy in the family.",
    "107": "2022-09-09 Diabetes. Insulin plan: basal only.",
    "108": "2023-01-01 Healthy. Vaccination.",
}
BEST = {"i1": "101", "i2": "102", "i3": "103", "i4": "103", "i5": "104", "i6": "105", "i7": "102", "i8": "106", "i9": "107"}
"""The record that is about what the instruction asks; ``i10`` has none."""


def write_ward(folder: Path) -> tuple[Path, Path]:
    """Write both: the table of instructions and the folder of records."""
    table, records = folder / "instructions.csv", folder / "records"
    records.mkdir()
    table.write_text(to_csv(HEADER, INSTRUCTIONS))
    for record, text in RECORDS.items():
        (records / f"{record}.txt").write_text(text)
    return table, records
