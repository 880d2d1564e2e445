"""The metrics' environment and weights: what is missing, broken or of another version, and what is said about it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ehrbench.errors import EhrbenchError, UsageError
from ehrbench.metrics import METRICS
from ehrbench.metrics.arguments import parse_arguments
from ehrbench.neural.environment import DONE, Environment, environment
from ehrbench.neural.setup import Sources, make_environment, requirements
from ehrbench.scoring.score import resolve

NEURAL = [name for name in METRICS if name.startswith(("comet", "bleurt", "lens", "unieval"))]


@pytest.fixture(autouse=True)
def _nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EHRBENCH_COMET_ENVIRONMENT", "EHRBENCH_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


def make(folder: Path, **versions: str) -> Path:
    """A folder that looks like a virtual environment with the given distributions."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    for name, version in versions.items():
        place = folder / "lib" / "python3.11" / "site-packages" / f"{name}-{version}.dist-info"
        place.mkdir(parents=True)
        (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    return folder


def test_there_are_ten_of_them_and_each_names_the_command_that_helps() -> None:
    assert len(NEURAL) == 10
    for name in NEURAL:
        reason = METRICS.get(name).unavailable()
        assert reason is not None and "run `ehrbench metrics setup comet`" in reason


def test_with_an_environment_the_weights_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"unbabel_comet": "2.2.7", "bleurt_pytorch": "0.0.1", "lens_metric": "0.2.0", "transformers": "4.57.6"}
    monkeypatch.setenv("EHRBENCH_COMET_ENVIRONMENT", str(make(tmp_path / "env", **versions)))
    wanted = {"comet": "Unbabel/wmt22-comet-da", "lens": "davidheineman/lens", "unieval_overall": "MingZhong/unieval-sum"}
    for name, weights in wanted.items():
        reason = METRICS.get(name).unavailable()
        assert reason is not None and f"hf download {weights} " in reason


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"unbabel_comet": "2.1.0"}, "has unbabel-comet 2.1.0, and this version of ehrbench works with 2.2.7: run `ehrbench"),
        ({"torch": "2"}, "has no unbabel-comet: run `ehrbench metrics setup comet --force`"),
    ],
)
def test_another_version_is_named(tmp_path: Path, versions: dict[str, str], words: str) -> None:
    place = Environment(make(tmp_path / "env", **versions), own=False)
    (place.folder / DONE).write_text("{}", "utf-8")
    assert words in str(place.problem("COMET", "unbabel-comet==2.2.7"))


def test_an_unfinished_one_is_named(tmp_path: Path) -> None:
    place = Environment(make(tmp_path / "env", unbabel_comet="2.2.7"), own=False)
    assert "was not finished" in str(place.problem("COMET", "unbabel-comet==2.2.7"))
    assert Environment(place.folder, own=True).problem("COMET", "unbabel-comet==2.2.7") is None
    assert place.versions() == {"unbabel-comet": "2.2.7"}


def test_a_folder_of_the_user_that_is_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EHRBENCH_COMET_ENVIRONMENT", str(tmp_path))
    assert "not a virtual environment" in str(environment().problem("COMET", "unbabel-comet==2.2.7"))


def test_folders_that_are_no_checkpoints_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = make(tmp_path / "env", unbabel_comet="2.2.7", bleurt_pytorch="0.0.1")
    monkeypatch.setenv("EHRBENCH_COMET_ENVIRONMENT", str(env))
    folder = tmp_path / "comet"
    folder.mkdir()
    arguments = {"comet.checkpoint": str(folder), "bleurt.checkpoint": str(folder)}
    assert "has no hparams.yaml and no checkpoints/model.ckpt" in str(resolve("comet", arguments).unavailable())
    assert "is not a checkpoint: it has no config.json" in str(resolve("bleurt", arguments).unavailable())
    assert "is not a folder on this machine" in str(resolve("comet", {"comet.checkpoint": "./nowhere"}).unavailable())
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "model.ckpt").write_bytes(b"")
    (folder / "hparams.yaml").write_text("pretrained_model: xlm-roberta-large\n", "utf-8")
    assert "COMET's encoder needs the weights of xlm-roberta-large" in str(resolve("comet", arguments).unavailable())
    (folder / "hparams.yaml").write_text("- no mapping\n", "utf-8")
    with pytest.raises(UsageError, match="names the encoder as pretrained_model"):
        resolve("comet", arguments)


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("comet", "is not metric.name=value"),
        ("comet.chekpoint=x", "unknown argument of comet 'chekpoint' .did you mean 'checkpoint'"),
        ("commet.checkpoint=x", "unknown metric with arguments 'commet' .did you mean 'comet'"),
    ],
)
def test_a_wrong_argument_is_named_with_close_ones(pair: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_arguments([pair])


def test_arguments_come_from_the_command_line_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from ehrbench.metrics.arguments import Settings

    monkeypatch.setenv("EHRBENCH_COMET_BATCH", "3")
    assert Settings("comet", {}).number("batch", 16) == 3
    assert Settings("comet", parse_arguments(["comet.batch=4"])).number("batch", 16) == 4
    with pytest.raises(UsageError, match="at least 1"):
        Settings("comet", {"comet.batch": "0"}).number("batch", 16)
    with pytest.raises(UsageError, match="bm25, instruction, empty"):
        Settings("comet", {"comet.source": "notes"}).choice("source", ("bm25", "instruction", "empty"))


def test_setup_hands_pip_its_options_and_replaces_requirements(tmp_path: Path) -> None:
    sources = Sources("https://i", ("https://e",), ("/wheels",), True)
    assert sources.arguments() == [
        *("--index-url", "https://i", "--extra-index-url", "https://e", "--find-links", "/wheels", "--no-index"),
    ]
    assert "torch==2.13.0" in requirements(["torch==2.13.0"]) and "torch" not in requirements(["torch==2.13.0"])
    assert requirements(["Some_Library"])[-1] == "Some_Library"


def test_setup_names_what_is_wrong(tmp_path: Path) -> None:
    place = Environment(tmp_path / "env", own=False)
    with pytest.raises(UsageError, match="is not a Python that can be run"):
        make_environment(place, str(tmp_path / "python"), Sources(), say=lambda line: None)
    with pytest.raises(UsageError, match="yours to fill"):
        make_environment(Environment(tmp_path, own=True), sys.executable, Sources(), say=lambda line: None)
    python = tmp_path / "newer"
    python.write_text("#!/bin/sh\necho 3 14\n", "utf-8")
    python.chmod(0o755)
    with pytest.raises(UsageError, match="is Python 3.14; .* from 3.10 to 3.12"):
        make_environment(place, str(python), Sources(), say=lambda line: None)


def test_setup_that_fails_leaves_an_environment_that_says_so(tmp_path: Path) -> None:
    python = tmp_path / "python3.11"
    python.write_text(
        '#!/bin/sh\ncase "$1" in -c) echo 3 11;; -m) mkdir -p "$3/bin"; printf "#!/bin/sh\\nexit 1\\n" > "$3/bin/python"; '
        'chmod +x "$3/bin/python";; esac\n',
        "utf-8",
    )
    python.chmod(0o755)
    place = Environment(tmp_path / "env", own=False)
    with pytest.raises(EhrbenchError, match="--find-links and --no-index"):
        make_environment(place, str(python), Sources(no_index=True), say=lambda line: None)
    assert "was not finished" in str(place.problem("COMET", "unbabel-comet==2.2.7"))
