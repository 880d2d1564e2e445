"""What the main job takes: the files and functions that one `ehrbench run` goes through, and the CPU of its first answer.

    python benchmarks/main_job.py
    python benchmarks/main_job.py --source CHECKOUT     # of another version, side by side

`run --model baseline:bm25 --tasks medalign --data-dir sample --limit 1` in a process of its own: once under a profile,
which counts, then `--rounds` times without it for CPU seconds (user and system, imports included; the smallest and the largest).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

COUNT = """
import runpy, sys
from pathlib import Path
root = str(Path("ehrbench").resolve())
seen = set()
def note(frame, event, argument):
    code = frame.f_code
    body_of_class = not code.co_flags & 1 and code.co_name != "<module>"
    if event == "call" and code.co_filename.startswith(root) and not body_of_class:
        seen.add((code.co_filename, code.co_firstlineno, code.co_name))
sys.setprofile(note)
try:
    runpy.run_module("ehrbench", run_name="__main__")
except SystemExit as end:
    code = end.code
sys.setprofile(None)
named = [name for _, _, name in seen if not name.startswith("<")]
called = {file for file, _, name in seen if not name.startswith("<")}
print("COUNTED", len({file for file, _, _ in seen}), len(called), len(named), code or 0, file=sys.stderr)
"""


def main() -> None:
    """Count, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", type=Path, action="append", help="checkout to measure; repeatable [default: this one]")
    parser.add_argument("--limit", default="1", help="items to answer; all: the whole sample")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    print(
        "| checkout | files imported | files with a function that ran | functions | CPU s (min to max) |\n|---|---|---|---|---|"
    )
    for source in chosen.source or [Path(__file__).parent.parent]:
        limit = [] if chosen.limit == "all" else ["--limit", chosen.limit]
        counts = _run(["-c", COUNT], source, limit)[1]
        seconds = sorted(_run(["-m", "ehrbench"], source, limit)[0] for _ in range(chosen.rounds))
        print(f"| {source.resolve().name} | {' | '.join(counts)} | {seconds[0]:.2f} to {seconds[-1]:.2f} |")


def _run(start: list[str], source: Path, limit: list[str]) -> tuple[float, list[str]]:
    with tempfile.TemporaryDirectory() as folder:
        job = ["run", "--model", "baseline:bm25", "--tasks", "medalign", "--data-dir", "sample", "--out", folder, *limit]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [sys.executable, *start, *job],
            cwd=source,
            env={**os.environ, "PYTHONPATH": str(source.resolve()), "EHRBENCH_HOME": folder},
            capture_output=True,
            text=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stderr)
    told = [line.split()[1:4] for line in done.stderr.splitlines() if line.startswith("COUNTED")]
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, told[0] if told else []


if __name__ == "__main__":
    main()
