"""Build the leaderboard of invented results, from files: CPU time, memory, sizes, sorting; or take pictures of its pages.

python -m benchmarks.site                                # 10, 40 and 200 models x 100 tasks, and 40 x 105
python -m benchmarks.site --models 40 --tasks 105
python -m benchmarks.site --screenshots DIR              # 390, 1024 and 1440 pixels; needs playwright and a Chromium
python -m benchmarks.site --screenshots docs/pictures --readme   # the pictures of the README and the documentation
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.site.pictures import sort_time, take
from ehrbench.leaderboard.build import build
from ehrbench.results.store import write_result
from tests.leaderboard.invented import invented, model_names, models_yaml

SIZES = ((10, 100), (40, 100), (40, 105), (200, 100))


def write_results(folder: Path, n_models: int, n_tasks: int) -> int:
    """One file a result, as ``ehrbench run`` leaves them."""
    count = 0
    for result in invented(n_models, n_tasks):
        write_result(folder / result.model.name / result.task / result.config_hash / "result.json", result)
        count += 1
    (folder / "models.yaml").write_text(models_yaml(model_names(n_models)), encoding="utf-8")
    return count


def measure(folder: Path, out: Path) -> dict[str, float]:
    """Build in this process; figures of the process."""
    began, cpu = time.perf_counter(), time.process_time()
    built = build([folder], out)
    pages = [path.stat().st_size for path in out.rglob("*.html")]
    return {
        "cpu_s": time.process_time() - cpu,
        "wall_s": time.perf_counter() - began,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "mb": built.n_bytes / 1e6,
        "largest_page_mb": max(pages) / 1e6,
        "pages": built.n_pages,
        "changed": built.n_changed,
    }


def one_size(n_models: int, n_tasks: int) -> None:
    """Measure one size, each build in a process of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, out = Path(temporary, "results"), Path(temporary, "site")
        count = write_results(folder, n_models, n_tasks)
        first = _apart(folder, out)
        print(f"{n_models} models x {n_tasks} tasks, {count} results: {_said(first)}")
        extra = next(invented(1, 1, missing=0, seed=99))
        write_result(
            folder / "extra/result.json",
            extra.model_copy(update={"config_hash": "f" * 16, "model": extra.model.model_copy(update={"name": "Newcomer"})}),
        )
        again = _apart(folder, out)
        print(f"  one result more: {again['changed']:.0f} files written, {_said(again)}")
        seconds = sort_time(out)
        if seconds is not None:
            print(f"  sorting the largest map: {1000 * seconds:.0f} ms in Chromium")


def _said(figures: dict[str, float]) -> str:
    return (
        f"{figures['cpu_s']:.1f} CPU s, {figures['wall_s']:.1f} s wall, {figures['peak_mib']:.0f} MiB, {figures['mb']:.1f} MB in "
        f"{figures['pages']:.0f} pages and their downloads, largest page {figures['largest_page_mb']:.2f} MB"
    )


def _apart(folder: Path, out: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.site", "--measure", str(folder), str(out)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "0"})
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def main() -> None:
    """Parse and do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--screenshots", type=Path)
    parser.add_argument("--readme", action="store_true")
    parser.add_argument("--measure", nargs=2, type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(*given.measure)))
    elif given.screenshots:
        for path in take(given.screenshots, readme=given.readme):
            print(path)
    else:
        for n_models, n_tasks in [(given.models, given.tasks)] if given.models else SIZES:
            one_size(n_models, n_tasks)


if __name__ == "__main__":
    main()
