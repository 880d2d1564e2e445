"""Text files of every kind, damaged in fixed, repeatable ways; a record of 200 MB; answers made to be slow to read."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ehrbench.readers import READERS
from ehrbench.readers.item import Item
from ehrbench.readers.table import read_table
from ehrbench.results.store import find_results
from ehrbench.runs.store import read_predictions
from ehrbench.suites.medalign.records.xml import RENDERINGS, load_record
from ehrbench.tasks.answers import ANSWERS
from ehrbench.tasks.yaml_file import read_yaml
from tests.campaign.guarded import each
from tests.campaign.rows import Row
from tests.results.factory import make_result

PER_READER = 300
RECORD = (
    '<eventstream person_id="7"><encounter><events><entry timestamp="2015-01-01 08:00"><event type="note">a</event></entry>'
    "</events></encounter></eventstream>"
)
SEEDS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "table": ("t.csv", 'id,word\n1,"a ""b"""\n2,c\n', lambda path: read_table(path, "the table")),
    "JSONL items": (
        "items.jsonl",
        '{"id": "a", "question": "q", "answer": "x"}\n',
        lambda path: READERS.get("jsonl")(path.parent, {}),
    ),
    "record, XML": ("EHR_1.xml", RECORD, lambda path: [load_record(path, "1", name) for name in RENDERINGS]),
    "result": ("a.results.json", f"[{make_result().model_dump_json()}]", lambda path: find_results([path.parent])),
    "predictions": ("p.jsonl", '{"item": "a", "outcome": "answered", "answer": "b", "steps": []}\n', read_predictions),
    "task file": ("t.yaml", "task: a\nversion: 1\nprompt: {user: '{{ question }}'}\nmetrics: [rouge_l]\n", read_yaml),
    "JSONL with a record": (
        "items.jsonl",
        '{"id": "a", "question": "q", "answer": "x", "record": "2015-01-01 first\\n2015-01-02 second"}\n',
        lambda path: READERS.get("jsonl")(path.parent, {}),
    ),
}
NASTY = [
    *(b"\0", b"\xff\xfe", b"\\ud800", b"NaN", b"1e999", b"9" * 5000, b'"', b"[" * 5000, b"<a>" * 5000, b"&a;", b"\r", b"{}"),
    b"5\n",
]


def damaged(chance: random.Random, content: bytes) -> bytes:
    """A file after a few accidents: bytes lost, repeated, swapped or replaced by something nasty."""
    for _ in range(chance.randrange(1, 4)):
        start = chance.randrange(len(content) + 1)
        end = min(len(content), start + chance.choice([0, 1, 5, 50]))
        middle = chance.choice([b"", content[start:end] * 2, bytes([chance.randrange(256)]), chance.choice(NASTY)])
        content = content[:start] + middle + content[end:]
    return content


def damage() -> Iterator[Row]:
    """A row for each reader."""
    for name, (file, text, read) in SEEDS.items():
        row = Row(f"damaged {name}")

        def make(
            name: str = name, file: str = file, text: str = text, read: Callable[[Path], object] = read
        ) -> Callable[[int], None]:
            path = Path(tempfile.mkdtemp(prefix="campaign-")) / file

            def work(seed: int) -> None:
                path.write_bytes(damaged(random.Random(f"{name} {seed}"), text.encode()))
                read(path)

            return work

        each(row, range(PER_READER), make)
        yield row


RECORD_BYTES = 200 << 20


def large() -> Row:
    """One record, in each of its renderings."""
    row = Row("a record of 200 MB, in each rendering")

    def make() -> Callable[[int], None]:
        path = Path(tempfile.mkdtemp(prefix="campaign-")) / "EHR_1.xml"
        note = "Sodium 130 mmol/L, weight 61 kg, plan unchanged. " * 20_000
        entry = f'<entry timestamp="2015-01-01 08:00"><event type="note" name="Note">{note}</event></entry>\n'
        with path.open("w") as file:
            file.write('<eventstream person_id="1"><encounter><events>\n')
            file.writelines(entry for _ in range(RECORD_BYTES // len(entry)))
            file.write("</events></encounter></eventstream>\n")
        return lambda number: None if len(load_record(path, "1", [*RENDERINGS][number]).text) else None

    each(row, range(len(RENDERINGS)), make, "rendering")
    return row


LENGTH = 100_000
UNITS = (
    *(" ", "\n", "\t", "(", "[", "A, ", "a ", "<think>", "</think>", "`", "1", "1,", "1.5e", "answer is ", "the answer is: ("),
    *('"', "(A) ", "A", "**", "_", "-", " \n", ". ", "\\boxed{", "yes no ", ";", "::", "答案", "<", '{"a":', "not ", "x"),
)
"""What an answer may repeat so that a regular expression that goes back and forth over it never ends."""


def _cleaned(step: str, item: Item, text: str) -> object:
    return ANSWERS.get(step)(text, item)


def slow_answers() -> Row:
    """Each clean-up of answers, and the scorers that read an answer with regular expressions, on each such answer."""
    row = Row(f"answers of {LENGTH:,} characters made to be slow to clean and to read")

    def make() -> Callable[[int], None]:
        from ehrbench.suites.meds_bench.scorers.choices import choice_letters, true_false, yes_no_maybe
        from ehrbench.suites.meds_bench.scorers.labels import LabelSet, named_labels

        item = Item(id="a", question="q", references=("b",))
        steps: list[Callable[[str], object]] = [partial(_cleaned, name, item) for name in ANSWERS]
        labels = LabelSet(("first label", "second"))
        steps += [
            yes_no_maybe,
            true_false,
            lambda text: named_labels(text, labels),
            lambda text: choice_letters(text, ("A. x", "B. y")),
        ]

        def work(seed: int) -> None:
            step, unit = divmod(seed, len(UNITS))
            steps[step](UNITS[unit] * (LENGTH // len(UNITS[unit])) + "z")

        return work

    each(row, range((len(list(ANSWERS)) + 4) * len(UNITS)), make)
    return row
