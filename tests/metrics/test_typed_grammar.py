"""The grammar of typed answers as a table: what is the same quantity or word, and what is not.

The members of a list stand between bars.
"""

from __future__ import annotations

from typing import Any

import pytest

from ehrbench.metrics import Scorable
from ehrbench.metrics.typed import score_typed

SAME: dict[tuple[str, Any, str | None], list[str]] = {
    ("number", 0.5, None): ["0.5", ".5", "0,5", "0.50", "1/2", "½", "a value of 0.5", "it was 0.5, in range", "5e-1"],
    ("number", 40.0, "mg/dL"): ["40", "40.0 mg/dl", "40mg/dL", "40 mg / dL", "40 (normal 35-45)", "40 (< 100 mg/dL)", "about 40"],
    ("number", 1000.0, "mL"): [
        "1000 mL",
        "1,000 ml",
        "1 000 mL",
        "1\u202f000 ml",
        "1'000 mL",
        "1000.0",
        "1e3",
        "1000 milliliters",
    ],
    ("number", -0.5, None): ["-0.5", "\u22120.5", "-.5"],
    ("number", 650.0, "mg"): ["650mg", "650 mg", "650 milligrams", "650", "650 mg, not 700 mg"],
    ("number", 12.0, "%"): ["12%", "12 %", "12 percent", "12"],
    ("count", 1, None): ["1 time", "once", "one time", "One.", "a single time, so 1"],
    ("count", 2, None): ["twice", "two", "2 times", "2"],
    ("count", 12, None): ["a dozen times", "twelve", "12"],
    ("count", 21, None): ["twenty-one", "twenty one times", "21"],
    ("count", 100, None): ["one hundred", "a hundred times", "100"],
    ("count", 105, None): ["one hundred and five", "one hundred five times", "105 times"],
    ("count", 1200, None): ["1,200", "1 200", "one thousand two hundred", "twelve hundred"],
    ("count", 0, None): ["None", "0", "zero", "never", "no times", "Not once", "nothing"],
    ("yes_no", True, None): ["Y", "y.", "Yes", "yes, at 3 hours", "True"],
    ("yes_no", False, None): ["N", "n", "No", "none", "Negative", "not any"],
    ("text", "<0.1", None): ["<0.1", "< 0.1", "less than 0.1", "below 0.1", "fewer than 0.1", "under .1", "The result was <0.10"],
    ("text", ">60", None): [">60", "> 60", "greater than 60", "more than 60", "above 60", "over 60.0", "exceeding 60"],
    ("text", ">=3", None): ["≥3", "> = 3", "at least 3", "3 or more", "no less than 3", "3 or greater"],
    ("text", "<=5", None): ["≤ 5", "=<5", "at most 5", "up to 5", "5 or less", "no more than 5", "5 or fewer"],
    ("text", "5-10 mg", None): [
        *("5-10 mg", "5 - 10 mg", "5–10 mg", "5 to 10 mg", "between 5 and 10 mg", "from 5 to 10 mg", "5-10", "5-10mg"),
        *("5-10 milligrams", "5.0-10.0 mg"),
    ],
    ("text", "0-2", None): ["0-2", "0 - 2", "0 to 2", "0–2", "between 0 and 2"],
    ("text", "<0.01 ng/mL", None): ["<0.01 ng/mL", "less than 0.01 ng/ml", "<0.01", "below 0.01"],
    ("text", "1:40", None): ["1:40", "1 : 40"],
    ("text", "120/80", None): ["120/80", "120 / 80"],
    ("text", "NEG", None): ["NEG", "neg.", "negative", "Negative"],
    ("text", "POSITIVE", None): ["pos", "positive"],
    ("text", "TR", None): ["trace", "TR."],
    ("text", "650mg Tablet", None): ["650mg Tablet", "650 mg tablet", "650 milligrams tablet"],
    ("text", "1,000 mL Bag", None): ["1000 mL Bag", "1 000mL bag", "1,000 milliliters bag"],
    ("text", "2+", None): ["2+", "2 +"],
    ("text", "0042", None): ["0042"],
    ("list", "Calcium, Total|PT", None): ["PT; calcium, total", "Calcium, Total and PT"],
    ("list", "Ceftriaxone: <4|Oxacillin: 0.5", None): ["ceftriaxone: less than 4, oxacillin: .5"],
    ("duration", 1.5, "hours"): ["1.5 h", "1.50 hours", "90.00 minutes", "1.5"],
    ("time", 3.75, "hours"): ["At the 3.75 hour", "3.75 h", "3,75 hours"],
}
DIFFERENT: dict[tuple[str, Any, str | None], list[str]] = {
    ("number", 0.5, None): [
        *(
            "<0.5",
            "> 0.5",
            ">0.5",
            "less than 0.5",
            "at least 0.5",
            "up to 0.5",
            "0.5 or more",
            "0.5-1",
            "0 to 0.5",
            "5",
            "not 0.5",
        ),
        *("0.05", "-0.5", "1:2", "between 0.5 and 1", ""),
    ],
    ("number", 40.0, "mg/dL"): ["40 mg", "41 mg/dL", "40-50 mg/dL", "<40 mg/dL", "40 mg/dL, later 41 mg/dL", "forty-one", "40:1"],
    ("number", 1.0, "mg"): ["1,5 mg", "1 000 mg", "1,000 mg", "1/2 mg", "½ mg", "1-2 mg"],
    ("number", 120.0, "mmHg"): ["120/80 mmHg", "120/80"],
    ("number", 1000.0, "mL"): ["1.000 mL", "1 mL", "1 00 mL"],
    ("count", 1, None): [
        "one hundred",
        "a dozen",
        "twenty-one",
        "1,000",
        "never",
        "at least one",
        "1-2 times",
        "one or more times",
    ],
    ("count", 3, None): ["more than 3 times", "at least three", "3-4 times", "3 to 4", "up to 3", "<3", ""],
    ("count", 0, None): ["once", "1", "", "not more than 3", "unknown"],
    ("yes_no", True, None): ["N", "no", "N/A", "maybe", ""],
    ("yes_no", False, None): ["Y", "yes", "N/A", "unknown"],
    ("text", "0-2", None): ["0.2", "02", "2", "0", "0 and 2", "0-20", "<0-2", "0:2", "0/2"],
    ("text", "<0.1", None): ["0.1", ">0.1", "<=0.1", "≤0.1", "< 0.2", "at most 0.1", "0.1 or less", "0-0.1"],
    ("text", ">60", None): ["60", "<60", "≥60", ">600", "60 or more"],
    ("text", "5-10 mg", None): ["5 mg", "10 mg", "5-10 mL", "5-100 mg", "5 and 10 mg", "15-10 mg", "<5-10 mg"],
    ("text", "<0.01 ng/mL", None): ["0.01 ng/mL", "<0.01 mg/mL", "<0.1 ng/mL", ">0.01"],
    ("text", "1:40", None): ["1-40", "1/40", "140", "1 to 40", "1:400"],
    ("text", "NEG", None): ["POS", "positive", "trace", ""],
    ("text", "650mg Tablet", None): ["650 mL tablet", "325 mg tablet", "650", "650mg Capsule"],
    ("text", "2+", None): ["2", "3+", "2 or more"],
    ("text", "0042", None): ["42", "42.0"],
    ("list", "Ceftriaxone: <4|Oxacillin: 0.5", None): ["ceftriaxone: 4, oxacillin: 0.5", "ceftriaxone: <4"],
    ("duration", 1.5, "hours"): ["less than 1.5 hours", "1.5 days", "1-1.5 hours", "1.6 hours"],
}
PAIRS = [
    (*key, answer, expected) for table, expected in ((SAME, 1.0), (DIFFERENT, 0.0)) for key in table for answer in table[key]
]


def test_the_table_is_large() -> None:
    assert len(PAIRS) >= 150
    assert len({(kind, str(value), unit, answer) for kind, value, unit, answer, _ in PAIRS}) == len(PAIRS)


@pytest.mark.parametrize(("kind", "value", "unit", "answer", "expected"), PAIRS)
def test_pairs(kind: str, value: Any, unit: str | None, answer: str, expected: float) -> None:
    value = value.split("|") if kind == "list" else value
    gold = {"type": kind, "value": value, "unit": unit, "tolerance": 0.005 if kind in ("time", "duration") else 0.0}
    (found,) = score_typed([Scorable("i", answer, (str(value),), meta={"gold": gold})])
    assert found == (expected,)
