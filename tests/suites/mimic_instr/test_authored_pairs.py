from __future__ import annotations

import pytest

from ehrbench.suites.mimic_instr.authoring.pairs import hospital_course, read_pair


@pytest.mark.parametrize(
    "text",
    [
        "- Question: Why?\n- Answer: Because.",
        "Question: Why?\nAnswer: Because.\nmore lines are not read",
        "Here you are:\n\n- Question: Why?\n\n- Answer: Because.",
        "- **Question:** Why?\n- **Answer:** Because.",
        "Question:Why?\nAnswer:Because.",
    ],
)
def test_a_pair_is_read(text: str) -> None:
    assert read_pair(text) == ("Why?", "Because.")


@pytest.mark.parametrize("text", ["", "Question: Why?", "Answer: Because.\nQuestion: Why?", "I cannot.", "Question: \nAnswer: x"])
def test_what_is_no_pair_is_none(text: str) -> None:
    assert read_pair(text) is None


COURSE = " ".join(f"word{i}" for i in range(45))


def test_the_hospital_course_ends_at_the_next_section() -> None:
    note = f"Name: ___\n\nBrief Hospital Course:\n{COURSE[:100]}\n\n{COURSE[100:]}\n\nMedications on Admission:\n1. Aspirin\n"
    course = hospital_course(note)
    assert course is not None
    assert course.split() == COURSE.split() or course.replace(" ", "") == COURSE.replace(" ", "")
    assert "Aspirin" not in course
    assert hospital_course(f"Brief Hospital Course:\n{COURSE}\nDischarge Disposition:\nHome") == COURSE
    assert hospital_course(f"Brief Hospital Course:\n{COURSE}") == COURSE


def test_a_short_or_missing_course_is_none() -> None:
    assert hospital_course("Brief Hospital Course:\nShe did well.\n\nDischarge Medications:\nnone") is None
    assert hospital_course("Chief Complaint:\npain") is None
    assert hospital_course("Brief Hospital Course:\n" + " ".join(["w"] * 40)) is None
