"""Places that cannot be written, names that are too long, numbers that are too large: one sentence and exit code 2 or 3."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ehrbench.cli import main
from tests.acceptance.chart import CANARIES, run_folders, write_release

NOWHERE = Path("/proc/ehrbench")
"""Nobody can make a file there, not even root: it stands for a disk that is mounted to be read only."""
RUN = ("run", "--tasks", "medalign", "--model", "baseline:bm25", "--metrics", "rouge_l", "--quiet", "--allow-partial")

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc to stand for a disk that cannot be written")


class Said:
    """Runs commands in this process, as ``ehrbench`` itself does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def ended(self, *arguments: object) -> tuple[int, str]:
        """Exit code and standard error."""
        self._monkeypatch.setattr(sys, "argv", ["ehrbench", *map(str, arguments)])
        self._capsys.readouterr()
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0), self._capsys.readouterr().err
        return 0, self._capsys.readouterr().err

    def __call__(self, *arguments: object) -> str:
        """What a command that is refused says."""
        code, said = self.ended(*arguments)
        assert code in (2, 3), said
        assert "bug" not in said and "Traceback" not in said
        assert len(said.strip().splitlines()) == 1, said
        assert not [canary for canary in CANARIES if canary in said]
        return said


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    return Said(monkeypatch, capsys)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_release(tmp_path_factory.mktemp("data"), patients=2, questions=2, entries=2)


@pytest.fixture
def runs(said: Said, data: Path, tmp_path: Path) -> list[Path]:
    for model in ("baseline:bm25", "baseline:newest"):
        given = ("run", "--tasks", "medalign", "--model", model, "--metrics", "rouge_l", "--quiet")
        assert said.ended(*given, "--data-dir", data, "--out", tmp_path / "out")[0] == 0
    return run_folders(tmp_path / "out")


def test_output_on_a_disk_that_is_read_only(said: Said, data: Path, runs: list[Path], tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text(
        "item,rater,system,rank\n" + "".join(f"i{k},A,{s},{s}\n" for k in range(3) for s in (1, 2))
    )
    (tmp_path / "raters.csv").write_text("name,specialty\nA,surgery\n")
    ratings = ("--ratings", tmp_path / "ratings.csv")
    called = ("--tasks", "medalign", "--model", "openai:x", "--model-arg", "base_url=http://127.0.0.1:9/v1", "--data-dir", data)
    for arguments in (
        (*RUN, "--data-dir", data, "--out", NOWHERE),
        (*RUN, "--data-dir", data, "--out", tmp_path / "other", "--log-file", NOWHERE),
        (
            "requests",
            *called,
            "--budget-tokenizer",
            "words",
            "--max-model-len",
            999,
            "--results",
            NOWHERE,
            "--out",
            tmp_path / "c",
        ),
        ("submit", runs[0], "--out", NOWHERE / "a.results.json"),
        ("leaderboard", "build", tmp_path / "out", "--out", NOWHERE),
        ("human-stats", *ratings, "--out", NOWHERE),
        ("agreement", *ratings, "--out", NOWHERE),
        ("compare", *runs, "--metrics", "rouge_l", "--out", NOWHERE),
        ("rate", "plan", *runs, "--raters", tmp_path / "raters.csv", "--out", NOWHERE),
        ("data", "sample", NOWHERE, "--suite", "medalign"),
    ):
        assert "/proc" in said(*arguments), arguments


def test_a_home_on_a_disk_that_is_read_only(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EHRBENCH_HOME", str(NOWHERE))
    assert "EHRBENCH_HOME" in said("approve", "https://a.example", "--tasks", "*", "--by", "A", "--agreement", "B")


TASK = """\
task: t
version: 1
data: {{reader: jsonl, path: t, policy: open}}
prompt: {prompt}
metrics: [rouge_l]
primary: rouge_l
{more}"""


def test_a_record_path_of_5000_characters(said: Said, tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    long = "a" * 5000
    (tmp_path / "t/items.jsonl").write_text(f'{{"id": "1", "question": "q", "answer": "a", "record_file": "{long}.txt"}}\n')
    (tmp_path / "t.yaml").write_text(
        TASK.format(prompt="{user: '{{ record }} {{ question }}'}", more="record: {context: truncate}\n")
    )
    given = ("run", "--tasks", "t", "--include-path", tmp_path, "--model", "baseline:bm25", "--quiet", "--out", tmp_path / "out")
    told = said(*given, "--data-dir", tmp_path)
    assert "items.jsonl:1" in told
    assert long not in told


@pytest.mark.parametrize("digits", [23, 400, 5000])
def test_more_tokens_than_any_model_writes(said: Said, tmp_path: Path, digits: int) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(TASK.format(prompt="{user: '{{ question }}'}", more=f"generation: {{max_tokens: {'9' * digits}}}\n"))
    told = said("tasks", "validate", path)
    assert "t.yaml:7" in told
    assert len(told) < 500


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max-tokens", "9" * 23),
        ("max-tokens", 0),
        ("max-reasoning-tokens", -1),
        ("temperature", -0.1),
        ("top-p", 7),
        ("chunk-tokens", 0),
    ],
)
def test_an_option_is_held_to_the_limits_of_a_task_file(
    said: Said, data: Path, tmp_path: Path, option: str, value: object
) -> None:
    told = said(*RUN, "--data-dir", data, f"--{option}", value, "--out", tmp_path / "out")
    assert f"--{option}: expected" in told
    assert not (tmp_path / "out").exists()
