"""From ``--model`` to a backend, and what is said when there is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench.cli.models import app
from ehrbench.errors import MissingError, UsageError
from ehrbench.models.loading import MODELS, load_model, split_spec
from tests.tiny.files import empty_safetensors


def checkpoint(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    empty_safetensors(folder / "model.safetensors")
    return folder


def test_specs(tmp_path: Path) -> None:
    assert split_spec("baseline:bm25") == ("baseline", "bm25")
    assert split_spec("openai:org/name:v1") == ("openai", "org/name:v1")
    assert split_spec(str(checkpoint(tmp_path / "a:b"))) == ("hf", str(tmp_path / "a:b"))
    assert split_spec("org/name") == ("hf", "org/name")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("opnai:gpt", "unknown model backend 'opnai'.*'openai'"),
        ("openai:", "nothing after the colon; expected for instance openai:NAME"),
        ("baseline", "'baseline' is a backend.*baseline:bm25"),
        (" ", "--model is empty"),
        ("openai:sk-abcdefghijklmnop", "--model: looks like a secret"),
    ],
)
def test_bad_specs(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_model(spec, {}, None)
    assert "sk-abc" not in str(caught.value)


def test_not_a_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no checkpoint folder"):
        load_model(str(tmp_path / "none"), {}, None)
    (tmp_path / "empty").mkdir()
    for spec in (str(tmp_path / "empty"), f"hf:{tmp_path / 'empty'}"):
        with pytest.raises(MissingError, match="is not a checkpoint: it has no config.json"):
            load_model(spec, {}, None)
    folder = checkpoint(tmp_path / "half")
    (folder / "model.safetensors").unlink()
    with pytest.raises(MissingError, match="no weights"):
        load_model(str(folder), {}, None)


def test_window_and_secrets() -> None:
    with pytest.raises(UsageError, match="--max-model-len 0"):
        load_model("baseline:empty", {}, 0)
    for name, value in {"api_key": "x", "hf_token": "x", "extra": "Bearer abcdefgh12", "note": "sk-proj-abcdefghijkl"}.items():
        with pytest.raises(UsageError, match=f"--model-arg {name}: looks like a secret") as caught:
            load_model("baseline:empty", {name: value}, None)
        assert value == "x" or value not in str(caught.value)


def test_list_names_every_backend() -> None:
    rows = json.loads(CliRunner().invoke(app, ["list", "--json"]).output)
    assert [row["name"] for row in rows] == list(MODELS)
    assert next(row for row in rows if row["name"] == "baseline")["available"]
    assert "baseline:bm25" in CliRunner().invoke(app, ["list"]).output
