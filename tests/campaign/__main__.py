"""The campaign: hostile input in quantity, minutes long and not in the default list. ``tox -e campaign`` runs it.

Prints one table (tried, held, what failed) and exits 1 where something did not hold. Seeds are fixed, so a failure returns.
An input holds when it is read, or refused with one of ehrbench's own errors, within its time limit.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.readers import READERS
from ehrbench.readers.table import read_table
from ehrbench.results.store import find_results
from ehrbench.runs.store import read_predictions
from ehrbench.suites.medalign.records.xml import RENDERINGS, load_record
from ehrbench.tasks._sandbox import MAX_SECONDS, render
from ehrbench.tasks.yaml_file import read_yaml
from tests.results.factory import make_result
from tests.tasks.test_template_budget import random_template

PER_READER = 300
LIMIT_S = 10
TEMPLATE_SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 120
SLACK_S = 3.0
"""What one operation between two looks at the clock may take on a busy machine."""

RECORD = '<eventstream person_id="7"><encounter><events><entry timestamp="2015-01-01 08:00"><event type="note">a</event></entry></events></encounter></eventstream>'  # noqa: E501
SEEDS: dict[str, tuple[str, str, Callable[[Path], object]]] = {
    "table": ("t.csv", 'id,word\n1,"a ""b"""\n2,c\n', lambda path: read_table(path, "the table")),
    "JSONL items": (
        "items.jsonl",
        '{"id": "a", "question": "q", "answer": "x"}\n' * 1,
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
    b"\0",
    b"\xff\xfe",
    b"\\ud800",
    b"NaN",
    b"1e999",
    b"9" * 5000,
    b'"',
    b"[" * 5000,
    b"<a>" * 5000,
    b"&a;",
    b"\r",
    b"{}",
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


def too_long(number: int, frame: FrameType | None) -> None:
    """End an input that does not end."""
    raise TimeoutError


def fuzz(name: str, folder: Path) -> tuple[int, Counter[str]]:
    """Damage one reader's file again and again."""
    file, text, read = SEEDS[name]
    failures: Counter[str] = Counter()
    for seed in range(PER_READER):
        path = folder / file
        path.write_bytes(damaged(random.Random(f"{name} {seed}"), text.encode()))
        signal.alarm(LIMIT_S)
        try:
            read(path)
        except EhrbenchError:
            pass
        except Exception as error:
            failures[f"{type(error).__name__} (first: seed {seed})" if type(error).__name__ not in str(failures) else ""] += 1
        finally:
            signal.alarm(0)
    return PER_READER, failures


def templates() -> tuple[int, Counter[str]]:
    """Render random templates for two minutes; none may exceed its budget."""
    failures: Counter[str] = Counter()
    values: dict[str, object] = {"question": "Why?", "xs": list(range(50)), "text": "abc " * 100}
    seed, until = 0, time.monotonic() + TEMPLATE_SECONDS
    while time.monotonic() < until:
        source = random_template(random.Random(1_000_000 + seed))
        began = time.monotonic()
        try:
            render(source, "prompt.user", values)
        except UsageError:
            pass
        except Exception as error:
            failures[f"{type(error).__name__}, seed {seed}"] += 1
        if time.monotonic() - began > 2 * MAX_SECONDS + SLACK_S:
            failures[f"{time.monotonic() - began:.1f} s, seed {seed}"] += 1
        seed += 1
    return seed, failures


def main() -> int:
    """Print the table."""
    signal.signal(signal.SIGALRM, too_long)
    rows: list[tuple[str, int, Counter[str]]] = []
    for name in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            rows.append((f"damaged input: {name}", *fuzz(name, Path(folder))))
    rows.append((f"random templates, {TEMPLATE_SECONDS} s", *templates()))
    print("| what | tried | held | what failed |\n|---|---|---|---|")
    for what, tried, failures in rows:
        print(f"| {what} | {tried:,} | {tried - sum(failures.values()):,} | {'; '.join(filter(None, failures)) or '–'} |")
    return 1 if any(failures for _, _, failures in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
