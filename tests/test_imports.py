"""Importing the package and the command line is light, reads no file of ours and loads no heavy library."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = (
    *("aiohttp", "jinja2", "nltk", "numpy", "openai", "pandas", "polars", "pydantic", "ray", "rouge_score", "sacrebleu"),
    *("scipy", "tokenizers", "torch", "transformers", "vllm"),
)
PROBE = """
import json, sys
opened, sockets = [], []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes)):
        opened.append(arguments[0] if isinstance(arguments[0], str) else arguments[0].decode())
    elif event.startswith("socket."):
        sockets.append(event)
sys.addaudithook(watch)
import importlib
importlib.import_module(sys.argv[1])
heavy = [name for name in json.loads(sys.argv[2]) if name in sys.modules]
print(json.dumps({"opened": opened, "sockets": sockets, "heavy": heavy}))
"""


def _modules() -> Iterator[str]:
    yield "ehrbench"
    for path in sorted((ROOT / "ehrbench" / "cli").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True, env=environment)


@pytest.mark.parametrize("module", list(_modules()))
def test_importing_is_light_and_without_side_effects(module: str) -> None:
    _python("-c", "import importlib, sys; importlib.import_module(sys.argv[1])", module)  # the byte code is written by now
    seen = json.loads(_python("-c", PROBE, module, json.dumps(HEAVY)).stdout)
    assert seen["heavy"] == []
    assert seen["sockets"] == []
    ours = [name for name in seen["opened"] if Path(name).is_relative_to(ROOT)]
    assert [name for name in ours if not name.endswith((".py", ".pyc"))] == []


def test_help_loads_no_more_than_the_command_line_needs() -> None:
    """What a start costs is what it imports; `benchmarks/overhead` measures the seconds."""
    probe = (
        "import json, runpy, sys\nsys.argv = ['ehrbench', '--help']\ntry:\n"
        "    runpy.run_module('ehrbench', run_name='__main__')\nexcept SystemExit:\n    print(json.dumps(sorted(sys.modules)))"
    )
    done = _python("-c", probe)
    assert "Usage" in done.stdout
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert [name for name in loaded if name in (*HEAVY, "filelock", "regex", "rich", "yaml")] == []
    ours = [name for name in loaded if name.startswith("ehrbench.")]
    assert [name for name in ours if not name.startswith(("ehrbench.cli", "ehrbench.errors", "ehrbench.registry"))] == []


def test_a_run_loads_no_library_that_it_does_not_use(tmp_path: Path) -> None:
    """The first answer waits for every import: polars, say, takes a fifth of a short run's time and reads no table here."""
    run = ["run", "--model", "baseline:bm25", "--tasks", "medalign", "--data-dir", "sample", "--limit", "1"]
    probe = (
        f"import json, runpy, sys\nsys.argv = ['ehrbench', *{run!r}, '--out', {str(tmp_path)!r}]\ntry:\n"
        "    runpy.run_module('ehrbench', run_name='__main__')\nfinally:\n    print(json.dumps(sorted(sys.modules)))"
    )
    loaded = json.loads(_python("-c", probe).stdout.splitlines()[-1])
    unused = ("aiohttp", "fastexcel", "nltk", "openai", "pandas", "polars", "ray", "scipy", "torch", "transformers", "vllm")
    assert [name for name in loaded if name in unused] == []
    assert "ehrbench.suites.medalign.reader" in loaded


def _names_from_ehrbench() -> Iterator[tuple[str, str, str]]:
    """What benchmarks and examples import from the package, inside functions too: nothing else runs all of them."""
    for path in sorted([*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "examples").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ehrbench":
                for alias in node.names:
                    yield str(path.relative_to(ROOT)), node.module or "", alias.name


@pytest.mark.parametrize(("path", "module", "name"), sorted(set(_names_from_ehrbench())))
def test_what_benchmarks_import_is_there(path: str, module: str, name: str) -> None:
    found = importlib.import_module(module)
    assert hasattr(found, name) or importlib.util.find_spec(f"{module}.{name}"), f"{path}: {module} has no {name}"
