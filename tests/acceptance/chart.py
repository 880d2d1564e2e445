"""A small MedAlign release with records long enough to be cut, and a canary sentence in everything that is private."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.suites.medalign.release import GOLD_COLUMNS, gold, write_table

ROOT = Path(__file__).resolve().parent.parent.parent
TOKENIZER = ROOT / "tests" / "tiny" / "tokenizers" / "llama3"
RECORD_CANARY = "zebrafinch quartz lantern recital"
QUESTION_CANARY = "marmalade obelisk tangent"
GOLD_CANARY = "velvet corridor almanac"
CANARIES = (RECORD_CANARY, QUESTION_CANARY, GOLD_CANARY)


def record(patient: str, entries: int) -> str:
    """A LUMIA record with one note a day."""
    days = "".join(
        f'<entry timestamp="2015-{1 + day // 28 % 12:02d}-{1 + day % 28:02d} 08:{day % 60:02d}">'
        f'<event type="note" name="Progress note">Day {day}: patient {patient} reports {RECORD_CANARY}; sodium '
        f"{125 + (day * 7 + int(patient)) % 20} mmol/L, weight {60 + day % 15} kg, plan unchanged.</event></entry>\n"
        for day in range(entries)
    )
    return f'<eventstream person_id="{patient}"><encounter><events>\n{days}</events></encounter></eventstream>\n'


def write_release(folder: Path, patients: int = 4, questions: int = 3, entries: int = 60) -> Path:
    """Write a release and return the data folder to give to ``--data-dir``."""
    release = folder / "medalign"
    rows = []
    for p in range(patients):
        patient = str(700000001 + p)
        (release / "ehrs").mkdir(parents=True, exist_ok=True)
        (release / "ehrs" / f"{patient}.xml").write_text(record(patient, entries), encoding="utf-8")
        for q in range(questions):
            item = str(9000000000 + 100 * p + q)
            rows.append(gold(item, patient, answer=f"{GOLD_CANARY} {q}", question=f"What about {QUESTION_CANARY} {q}?"))
    write_table(release / "clinician-instruction-responses.tsv", GOLD_COLUMNS, rows)
    return folder


def command(*arguments: object) -> list[str]:
    """The command line as a subprocess's arguments."""
    return [sys.executable, "-m", "ehrbench", *map(str, arguments)]


def environment(home: Path | None = None) -> dict[str, str]:
    """The environment of a subprocess: this checkout's code and a home of its own."""
    home_dir = {"EHRBENCH_HOME": str(home)} if home else {}
    return {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **home_dir}


def ehrbench(*arguments: object, home: Path | None = None, seconds: float = 300) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; one that takes longer than ``seconds`` hangs."""
    return subprocess.run(
        command(*arguments), env=environment(home), capture_output=True, text=True, timeout=seconds, check=False
    )


def run_folders(out: Path) -> list[Path]:
    """Every run folder below ``out``."""
    return sorted(path.parent for path in out.rglob("manifest.json"))


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file, a torn last line left out."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def without_clock(value: Any) -> Any:
    """Plain data without what depends on the clock: times, and what an engine's cache held."""
    clock = {"clock", "seconds", "cached_tokens", "created", "command"}
    if isinstance(value, dict):
        return {k: without_clock(v) for k, v in value.items() if k not in clock}
    return [without_clock(v) for v in value] if isinstance(value, list) else value


def final_files(folder: Path) -> dict[str, Any]:
    """A finished run's files, comparable between runs."""
    files: dict[str, Any] = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in ("lock", "origin.json")):
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".jsonl":
            files[name] = [without_clock(row) for row in rows(path)]
        elif path.suffix == ".json":
            files[name] = without_clock(json.loads(path.read_text(encoding="utf-8")))
        else:
            files[name] = path.read_text(encoding="utf-8")
    return files
