"""Which rules of the grammar of typed answers touch the golds of MIMIC-Instr's questions, and how many.

    ehrbench data prepare mimic_instr --mimic DIR --all --out FOLDER
    python benchmarks/typed_grammar.py FOLDER/qa_all.jsonl

A rule touches a question where its gold, or one of the gold's members, is written with what the rule reads.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ehrbench.metrics._quantities import tokens

Gold = Mapping[str, Any]


def _texts(gold: Gold) -> list[str]:
    """What a gold of words is matched by."""
    if gold["answer_type"] not in ("text", "list"):
        return []
    return gold["value"] if isinstance(gold["value"], list) else [str(gold["value"])]


def _in_words(pattern: str) -> Callable[[Gold], bool]:
    found = re.compile(pattern, re.IGNORECASE)
    return lambda gold: any(found.search(text) for text in _texts(gold))


def _token(pattern: str) -> Callable[[Gold], bool]:
    found = re.compile(pattern)
    return lambda gold: any(found.match(token) for text in _texts(gold) for token in tokens(text))


RULES: Mapping[str, Callable[[Gold], bool]] = {
    "yes or no (Y, N)": lambda gold: gold["answer_type"] == "yes_no",
    "count (words, None for 0)": lambda gold: gold["answer_type"] == "count",
    "number: bare, in any spelling": lambda gold: gold["answer_type"] in ("number", "time", "duration"),
    "comparison (<0.1, less than 0.1)": _token(r"[<>]=?-?[\d.]|not\d"),
    "range (5-10, 5 to 10)": _token(r"[-\d.]+-[\d.]"),
    "ratio (1:40, 120/80)": _token(r"[-\d.]+[:/][\d.]"),
    "thousands (1,000)": _in_words(r"\d{1,3}(?:,\d{3})+"),
    "number beside its unit (650mg)": _in_words(r"\d(?:mg|mcg|ml|g|l|units?|meq|%)\b"),
    "short words (NEG, TR)": _in_words(r"\b(?:neg|pos|norm|tr|occ)\b"),
    "others' answers of the same words (ties)": lambda gold: bool(gold["alternatives"]),
}


def main(path: Path) -> None:
    """Print the table."""
    touched: Counter[str] = Counter()
    n = 0
    with path.open(encoding="utf-8") as file:
        for line in file:
            gold = json.loads(line)
            n += 1
            touched.update(name for name, rule in RULES.items() if rule(gold))
    print(f"| rule | questions of {n:,} | share |\n|---|--:|--:|")
    for name in RULES:
        print(f"| {name} | {touched[name]:,} | {100 * touched[name] / n:.3f} % |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
