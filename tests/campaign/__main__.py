"""The campaign: accidents and hostile input in quantity, minutes long and not in the default list. ``tox -e campaign`` runs it.

Prints one table (tried, held, what failed) and exits 1 where something did not hold. Seeds are fixed, so a failure returns; the
moments of kills are those of this machine.

    python -m tests.campaign [PART …]       # texts, containers, answers, record, templates, kills, faults, canaries
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import ehrbench
from tests.campaign import accidents, canaries, containers, faults, templates, texts
from tests.campaign.rows import Row, table

TEMPLATE_SECONDS = 120
PARTS: dict[str, Callable[[], Iterable[Row]]] = {
    "texts": texts.damage,
    "containers": lambda: [*containers.damage(), containers.bombs()],
    "answers": lambda: [texts.slow_answers()],
    "record": lambda: [texts.large()],
    "templates": lambda: [templates.templates(TEMPLATE_SECONDS)],
    "kills": accidents.accidents,
    "faults": lambda: [faults.faults()],
    "canaries": canaries.canaries,
}


HEAVY = ("hf", "vllm", "ray_executor", "lm_eval", "neural", "workbench")
"""Parts of names of modules that need what the core installation lacks, or serve pages."""


def preload() -> None:
    """Import what commands import, once, so that each of the hundreds of processes need not."""
    for module in pkgutil.walk_packages(ehrbench.__path__, "ehrbench."):
        if not set(module.name.split(".")) & {*HEAVY, "__main__"}:
            importlib.import_module(module.name)


def main() -> int:
    """Run the parts that are named, or all, and print the table."""
    # Processes are forked before this one has done anything that starts threads; those of a stub server are harmless to them.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    preload()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="campaign-home-") as home:
        os.environ["EHRBENCH_HOME"] = str(Path(home) / "home")
        tempfile.tempdir = home
        for name in sys.argv[1:] or PARTS:
            began = time.monotonic()
            rows += PARTS[name]()
            print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    print(table(rows))
    return 1 if any(row.failures for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
