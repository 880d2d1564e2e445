"""``models.yaml``: what is known of models, merged names, and faults that are named and cost no more than themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench.assets import asset_dir
from ehrbench.cli.leaderboard import app
from ehrbench.leaderboard.build import build, make_site
from ehrbench.results.models import read_models
from ehrbench.results.published import published_results
from ehrbench.results.store import write_result
from tests.results.factory import make_result


def _read(folder: Path, text: str) -> tuple[dict[str, str], list[str]]:
    (folder / "models.yaml").write_text(text)
    registry, faults = read_models([folder])
    return dict(registry.names), faults


def test_the_shipped_file_has_no_fault_and_knows_every_published_language_model() -> None:
    registry, faults = read_models([asset_dir("published")])
    assert faults == []
    older = {"GRASP", "GenHPF", "REMed", "RETAIN", "RNN", "Transformer", "GBM", "Logistic Regression", "Random Forest"}
    unknown = {row.model.name for row in published_results() if registry.card(row.model.name) is None}
    assert unknown == older


def test_names_of_one_model_meet_on_one_page() -> None:
    registry, _ = read_models([asset_dir("published")])
    site = make_site(published_results(), models=registry)
    page = site["models/deepseek-r1.html"]
    assert "EHR-Bench" in page
    assert "MedAlign" in page
    assert "Also called</dt><dd><bdi>DeepSeek R1" in page
    assert not any(name.startswith("models/deepseek-r1-") for name in site)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("models:\n  - {name: A, colour: red}\n", "colour: Extra inputs"),
        ("models:\n  - {name: A, parameters: many}\n", "parameters: Input should be a valid number"),
        ("models:\n  - {name: A}\n  - {name: A}\n", "'A' stands twice"),
        ("models:\n  - {name: A, aliases: [x]}\n  - {name: B, aliases: [x]}\n", "'x' stands for 'B' and for 'A'"),
        ("models:\n  - {name: A, aliases: [B]}\n  - {name: B}\n", "'B' stands for 'A' and for 'B'"),
        ("models:\n  - {name: A, base: B}\n  - {name: B, base: A}\n", "A → B → A"),
        ("models:\n  - {name: A, base: A}\n", "leads back to it"),
        ("models: {a: b}\n", "expected a list"),
        ("models: [\n", "is not YAML"),
        ("- 3\n", "expected a list under the key 'models'"),
        ("models:\n  - 7\n", "entry 1: the entry"),
        ("models:\n  - {name: A, released: 2025-02-30}\n", "is not YAML"),
    ],
)
def test_a_fault_is_named_with_its_file_and_entry(tmp_path: Path, text: str, said: str) -> None:
    _, faults = _read(tmp_path, text)
    assert any(said in fault and str(tmp_path / "models.yaml") in fault for fault in faults), faults


def test_the_rest_of_a_faulty_file_is_used(tmp_path: Path) -> None:
    names, faults = _read(tmp_path, "models:\n  - {name: A, colour: red}\n  - {name: B, aliases: [b two]}\n")
    assert len(faults) == 1
    assert names == {"B": "B", "b two": "B"}


def test_a_users_file_overrules_the_shipped_one_and_its_faults_stand_on_the_about_page(tmp_path: Path) -> None:
    write_result(tmp_path / "in/result.json", make_result("my-llama"))
    entries = (
        "  - {name: My Llama, aliases: [my-llama], organisation: Ward 7, parameters: 8B, open_weights: true}\n  - {nme: x}\n"
    )
    (tmp_path / "in/models.yaml").write_text("models:\n" + entries)
    built = build([tmp_path / "in"], tmp_path / "site")
    page = next((tmp_path / "site/models").glob("my-llama*.html")).read_text()
    assert "<h1><bdi>My Llama</bdi></h1>" in page
    assert "Ward 7" in page
    about = (tmp_path / "site/about.html").read_text()
    assert "models.yaml, entry 2: name: Field required" in about
    assert len(built.problems) == 1
    assert 'data-facts="open|3–15B|Ward 7|"' in (tmp_path / "site/index.html").read_text()


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("models:\n  - {name: A, base: A}\n")
    done = CliRunner().invoke(app, ["models", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 2
    assert "leads back to it" in done.stdout
    (tmp_path / "models.yaml").write_text("models:\n  - {name: A}\n")
    assert CliRunner().invoke(app, ["models", str(tmp_path)], catch_exceptions=False).exit_code == 0
