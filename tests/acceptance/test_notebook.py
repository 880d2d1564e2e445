"""The notebook runs from its first cell to its last, in an empty folder."""

from __future__ import annotations

from pathlib import Path

import nbclient
import nbformat
import pytest

from tests.conftest import ROOT


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("EHRBENCH_HOME", str(tmp_path / "home"))
    notebook = nbformat.read(ROOT / "examples" / "ehrbench.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "clear the outputs before you commit the notebook"
    nbclient.NotebookClient(
        notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    shown = [cell for cell in notebook.cells if cell.get("outputs")]
    assert len(shown) >= 8
    assert "chrF++" in str(shown[0].outputs)
    assert (tmp_path / "notebook-results").is_dir()
