"""False alarms of the publish check: clean sites against data that none of them quotes.

    python benchmarks/publish_check.py [DATA]

DATA holds the open MIMIC-IV demo (``mimic-iv-demo``), its MEDS extract and MedAlign's public files; without it only the bundled
sample is used. Every finding printed here is false: the sites hold the papers' rows and runs on these very data, unedited.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ehrbench.assets import asset_dir
from ehrbench.leaderboard.build import make_site
from ehrbench.results.publication import search_sources
from ehrbench.results.store import find_results
from ehrbench.results.supplements import find_supplements

QUIET = ("--quiet", "--allow-partial")
EXTRA = ("mimic-iv-demo", "mimic-iv-ed-demo", "mimic-iv-demo-meds", "medalign-public")


def site_of(folders: Sequence[Path]) -> dict[str, str]:
    """The site that ``ehrbench leaderboard build`` would write."""
    stored, _ = find_results(folders)
    supplements, _ = find_supplements(folders)
    return make_site([one.result for one in stored], supplements=supplements)


def ehrbench(*arguments: object) -> None:
    """Run a command."""
    subprocess.run([sys.executable, "-m", "ehrbench", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


def runs(folder: Path, data: Path | None) -> Iterator[tuple[str, Path]]:
    """Runs of baselines on the sample and on a build from the open demo."""
    out = folder / "sample"
    tasks = "medalign,mimic_instr,ehr_bench.decision.labevents,ehr_bench.risk.*"
    ehrbench(
        "run", "--model", "baseline:bm25", "--tasks", tasks, "--data-dir", "sample", "--out", out, "--quiet", "--allow-partial"
    )
    yield "runs on the bundled sample", out
    if data is None:
        return
    built, out = folder / "data", folder / "demo"
    for suite in ("mimic_instr", "ehr_bench"):
        ehrbench("data", "prepare", suite, "--mimic", data / "mimic-iv-demo", "--out", built / suite)
    tasks = "mimic_instr.schema,ehr_bench.decision.*"
    ehrbench(
        "run", "--model", "baseline:majority", "--tasks", tasks, "--data-dir", built, "--out", out, "--quiet", "--allow-partial"
    )
    yield "runs on a build from the MIMIC-IV demo", out


def main() -> None:
    """Print one row per site and data."""
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    published = asset_dir("published")
    print("| site | compared with | texts' characters | findings | seconds |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        made = list(runs(Path(temporary), data))
        for title, out in made:
            files = site_of([out, published])
            against: list[tuple[str, Path | None]] = [("the runs' private parts and data", None)]
            against += [(name, data / name) for name in EXTRA if data is not None]
            for what, folder in against:
                started = time.perf_counter()
                searched = search_sources(files, [out], folder)
                took = time.perf_counter() - started
                size = sum(map(len, files.values()))
                print(f"| the papers' rows and {title} | {what} | {size:,} | {len(searched.findings)} | {took:.1f} |")
                for finding in searched.findings:
                    print(f"  {finding}")


if __name__ == "__main__":
    main()
