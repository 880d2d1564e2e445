"""What a model is asked to write, and how a question with its answer is read from what it wrote (protocol page, section 4).

The paper's prompts in our own words. Only the first line of an answer counts, as in the release.
"""

from __future__ import annotations

import re
from typing import NamedTuple

PARAPHRASE = """\
You are given a question about a patient's hospital stay and its answer. Reword both.
1. Word the question as a physician would ask it in practice.
2. Correct the grammar and the use of capital letters.
3. Keep the meaning: every name, number, unit, time and period must stay as it is.
4. Be brief.
Write two lines and nothing else:
- Question: the reworded question
- Answer: the reworded answer"""

REASONING = """\
You are given the hospital course of a patient from a discharge summary. Write one question that a doctor would ask about this
patient, with its answer.
1. The question can be answered from the text.
2. It cannot be answered without the text.
3. Neither question nor answer holds sensitive information or the mask ___.
4. The question is not too easy.
5. Question and answer are concise, within 256 tokens.
Write two lines and nothing else:
- Question: the question
- Answer: the answer"""

MAX_TOKENS = 256
MIN_COURSE_WORDS = 41
"""Shorter hospital courses are left out."""

_PLAIN = re.compile(r"(?:^|\n)\s*-?\s*Question:[ \t]*(.+)\n+\s*-?\s*Answer:[ \t]*(.+)")
_BOLD = re.compile(r"(?:^|\n)\s*-?\s*\*\*Question:\*\*[ \t]*(.+)\n+\s*-?\s*\*\*Answer:\*\*[ \t]*(.+)")
_COURSE = re.compile(
    r"(?:^|\n)[ \t]*(?:Brief )?Hospital Course(?: (?:and Treatment|by (?:Problem|System)))?[ \t]*:?[ \t]*\n?(.*?)"
    r"(?=\n[ \t]*(?:Medications? on Admission|(?:Discharge|___) Medications?|(?:Discharge|___) Disposition|Facility|"
    r"(?:Discharge|___) Diagnos[ie]s|(?:Discharge|___) Condition)[ \t]*:|\Z)",
    re.DOTALL | re.IGNORECASE,
)


class Pair(NamedTuple):
    """A question and its answer."""

    question: str
    answer: str


def read_pair(text: str) -> Pair | None:
    """The question and the answer of a model's text; None where they are not there."""
    found = _PLAIN.search(text) or _BOLD.search(text)
    if not found:
        return None
    pair = Pair(found[1].strip(), found[2].strip())
    return pair if pair.question and pair.answer else None


def hospital_course(note: str) -> str | None:
    """The hospital course of a discharge summary with its white space made single; None where there is none, or a short one."""
    found = _COURSE.search(note)
    course = " ".join(found[1].split()) if found else ""
    return course if len(course.split()) >= MIN_COURSE_WORDS else None
