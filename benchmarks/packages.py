"""What the packages behind extras cost: rows by ``datasets``, scores by ``evaluate``, figures by ``vl-convert-python``.

    pip install -e '.[dev,datasets,evaluate,figures]'
    python benchmarks/packages.py

CPU seconds (user and system) of this process, the smallest of ``--rounds``, imports not included. ``evaluate`` runs a script that
this file writes: words in common, once as a mean of items and once as a ratio of sums, whose interval needs a value for every
part of the patients that is left out.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ehrbench.metrics.metric import Scorable, ScoredAll
from ehrbench.readers.hf.package import require_datasets
from ehrbench.readers.hf.reader import read as read_hf
from ehrbench.readers.jsonl import read as read_jsonl
from ehrbench.scoring.score import resolve
from ehrbench.studies.pictures import picture_files

WORDS = (
    "patient",
    "admitted",
    "with",
    "fever",
    "cough",
    "dyspnea",
    "treated",
    "for",
    "pneumonia",
    "discharged",
    "home",
    "stable",
)
SCRIPT = """
import datasets
import evaluate


class Own(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        features = datasets.Features({"predictions": text, "references": text})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        hits = [len(set(p.split()) & set(r.split())) for p, r in zip(predictions, references)]
        sizes = [len(set(r.split())) for r in references]
        return {"mean": sum(h / s for h, s in zip(hits, sizes)) / len(hits), "ratio": sum(hits) / sum(sizes)}
"""


def smallest(rounds: int, work: Callable[[], object]) -> float:
    """CPU seconds of the quickest of some rounds, after one that is not counted."""
    work()
    seconds = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        seconds.append(time.process_time() - began)
    return min(seconds)


def sentence(number: int, words: int) -> str:
    """Different for every number, of some words."""
    return " ".join(WORDS[(number * 7 + k * (1 + number % 5)) % len(WORDS)] for k in range(words))


def rows(folder: Path, count: int, rounds: int) -> list[tuple[str, str, float]]:
    """Rows of a question and a text of 5 kB, from three forms of file."""
    table = {
        "id": [str(k) for k in range(count)],
        "question": [f"Question {k}?" for k in range(count)],
        "answer": ["yes" if k % 2 else "no" for k in range(count)],
        "context": [sentence(k, 680) for k in range(count)],
    }
    with (folder / "items.jsonl").open("w", encoding="utf-8") as file:
        for values in zip(*table.values(), strict=True):
            file.write(json.dumps(dict(zip(table, values, strict=True))) + "\n")
    data: Any = require_datasets().Dataset.from_dict(table)
    data.save_to_disk(folder / "saved")
    data.to_parquet(folder / "x.parquet")
    ways: dict[str, Callable[[], object]] = {
        "reader: jsonl": lambda: read_jsonl(folder, {"meta": ["context"]}),
        "reader: hf, Arrow": lambda: read_hf(folder, {"meta": ["context"], "files": ["saved/*.arrow"]}),
        "reader: hf, Parquet": lambda: read_hf(folder, {"meta": ["context"], "files": ["x.parquet"]}),
    }
    return [(name, "µs per row", smallest(rounds, work) / count * 1e6) for name, work in ways.items()]


def scores(folder: Path, count: int, rounds: int) -> list[tuple[str, str, float]]:
    """A metric of ``evaluate`` that is a mean, and one that is not."""
    (folder / "own").mkdir()
    (folder / "own" / "own.py").write_text(SCRIPT, encoding="utf-8")
    items = [Scorable(str(k), sentence(k, 40), (sentence(k + 1, 40),)) for k in range(count)]
    given = {"evaluate.folder": str(folder), "evaluate.trust_remote_code": "on"}

    def scored(key: str) -> ScoredAll:
        metric = resolve(f"evaluate:own#{key}", given)
        assert metric.score_all is not None
        return metric.score_all(items, lambda n: None)

    whole = scored("ratio").whole
    assert whole is not None and scored("mean").whole is None
    return [
        ("evaluate, a mean", "ms per item", smallest(rounds, lambda: scored("mean")) / count * 1e3),
        (f"evaluate, a ratio of {count} items", "ms per value", smallest(rounds, lambda: whole.value(range(count))) * 1e3),
    ]


def figures(rounds: int) -> list[tuple[str, str, float]]:
    """A figure of 40 lines."""
    line = '<text x="10" y="{y}">{text}</text><rect x="300" y="{top}" width="{width}" height="9"/>'
    lines = "".join(line.format(y=20 * k, text=sentence(k, 4), top=20 * k - 9, width=5 * k) for k in range(1, 41))
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" width="600" height="840">{lines}</svg>'
    return [
        ("figure as PDF", "ms", smallest(rounds, lambda: picture_files({"x": svg}, ["pdf"])) * 1e3),
        ("figure as PNG", "ms", smallest(rounds, lambda: picture_files({"x": svg}, ["png"])) * 1e3),
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    print("| what | CPU | |\n|---|---|---|")
    with TemporaryDirectory() as folder:
        for measured in (
            rows(Path(folder), chosen.rows, chosen.rounds),
            scores(Path(folder), chosen.items, chosen.rounds),
            figures(chosen.rounds),
        ):
            for name, unit, value in measured:
                print(f"| {name} | {value:.1f} | {unit} |", flush=True)


if __name__ == "__main__":
    main()
