"""The synthetic MIMIC-Instr: prepared from the synthetic MIMIC-IV."""

from __future__ import annotations

import json
from pathlib import Path

from ehrbench.mimic.sample import README, release
from ehrbench.mimic.sample.story import load_stories
from ehrbench.mimic.tables import Mimic
from ehrbench.suites.mimic_instr.build.prepare import Options, prepare


def generate(folder: Path) -> None:
    """Write MIMIC-Instr, prepared from the synthetic MIMIC-IV, with invented questions of the clinical-reasoning kind."""
    with release() as (mimic, split):
        prepare(Mimic(mimic), folder, Options(seed=1, split_file=split))
    (folder / "README-SYNTHETIC.txt").write_text(README, encoding="utf-8", newline="\n")
    rows = [{"hadm_id": s.hadm_id, "q": s.note["question"], "a": s.note["answer"]} for s in load_stories()]
    (folder / "qa_note.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8", newline="\n")
