"""What the judge is told and shown (MIMIC-Instr, section 6.3 of the protocol page; the wording is the paper's Prompt 3)."""

from __future__ import annotations

from typing import Literal

Order = Literal["reference_first", "candidate_first"]
ORDERS: tuple[Order, ...] = ("reference_first", "candidate_first")

SYSTEM = """\
You are a helpful and precise assistant for evaluating the quality of responses.

Please assess the performance of two clinical AI assistants based on the question and the ground-truth answer provided below.

Your evaluation should consider helpfulness, relevance, accuracy, and level of detail.

Rate each AI assistant's response with a single score on a scale of 1 to 10, where 10 represents excellent performance.

Please first output a single line containing only two values indicating the scores for Assistant 1 and 2, respectively. \
The two scores are separated by a space.

In the subsequent line, provide a concise explanation of your evaluation.

Avoid any potential bias and ensure that the order in which the responses were presented does not affect your judgment."""

REMINDER = "\n\nYour first line must hold two numbers from 1 to 10, separated by a space, and nothing else."
"""Added when a verdict could not be read (``clean`` only; ours, not the paper's)."""

MAX_TOKENS = 512


def question_for(question: str, gold: str, reference: str, candidate: str, order: Order) -> str:
    """The judge's user turn: four bracketed blocks. The judge never sees the record."""
    first, second = (reference, candidate) if order == "reference_first" else (candidate, reference)
    blocks = (
        ("Question", question),
        ("Ground-truth Answer", gold),
        ("Assistant 1 Answer", first),
        ("Assistant 2 Answer", second),
    )
    return "\n\n".join(f"[{name}]\n{text}\n[End of {name}]" for name, text in blocks)
