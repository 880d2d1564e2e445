"""``--log-to`` with a stand-in for a service's package: what is sent, what is refused, and that no logger costs a run a thing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import ehrbench
from ehrbench.cli import app
from ehrbench.errors import MissingError, PolicyError, UsageError
from ehrbench.runs.approvals import record_approval
from ehrbench.runs.events import LoggingFailed, Note
from ehrbench.runs.loggers import live, logger
from ehrbench.runs.loggers.places import SERVICES, loggers
from ehrbench.runs.manifest import command_line
from tests.acceptance.chart import CANARIES, environment, final_files, run_folders, write_release

STAND_IN = """
import json, os, pathlib, sys, time
HERE = pathlib.Path(__file__).parent
def _say(**row):
    with (HERE / "said.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\\n")
def _fails(when):
    how, _, at = (HERE / "fails").read_text().partition(" ") if (HERE / "fails").exists() else ("", "", "")
    if at == when:
        if how == "dies":
            os._exit(3)
        if how == "hangs":
            time.sleep(600)
        raise ConnectionError("401 Unauthorized\\nand more")
class Run:
    def __init__(self, **about):
        _say(argv=sys.argv, environment=dict(os.environ), **about)
        self.name = about["name"]
        print("noise on stdout")
    def log(self, numbers, step):
        _fails("log")
        _say(numbers=numbers, step=step)
    def finish(self):
        _fails("finish")
        _say(finished=True)
def init(**about):
    _fails("init")
    return Run(**about)
class Api:
    def runs(self, project):
        rows = [json.loads(line) for line in (HERE / "said.jsonl").read_text().splitlines()]
        return [type("R", (), {"name": row["name"]}) for row in rows if "name" in row]
class SQLiteStorage:
    has_pending_data = staticmethod(lambda project: False)
"""
RUN = {"data_dir": "sample", "limit": 3, "metrics": ["rouge_l"]}


class StandIn:
    """Trackio's package as the worker sees it, which writes down what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "trackio").mkdir(parents=True)
        for name in ("__init__.py", "sqlite_storage.py"):
            (folder / "trackio" / name).write_text(STAND_IN)

    def fails(self, how: str, when: str) -> None:
        (self.folder / "trackio" / "fails").write_text(f"{how} {when}")

    def said(self) -> list[dict[str, Any]]:
        path = self.folder / "trackio" / "said.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []

    def numbers(self) -> dict[str, float]:
        return {name: value for row in self.said() for name, value in row.get("numbers", {}).items()}


@pytest.fixture
def trackio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    stand_in = StandIn(tmp_path / "packages")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    monkeypatch.setenv("EHRBENCH_HOME", str(tmp_path / "home"))
    for name in [name for name in os.environ if name.startswith(("TRACKIO_", "WANDB_", "MLFLOW_", "HF_TOKEN"))]:
        monkeypatch.delenv(name)
    return stand_in


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_release(tmp_path / "data", patients=2, questions=2, entries=3)


def test_scores_counts_and_progress_are_sent_and_the_settings_that_are_numbers(trackio: StandIn, tmp_path: Path) -> None:
    events: list[Any] = []
    results = ehrbench.evaluate(
        "baseline:bm25",
        "medalign",
        **{**RUN, "limit": 12},
        out=tmp_path / "out",
        log_to="trackio",
        seed=7,
        on_event=events.append,
    )
    opened, *logged, end = trackio.said()
    assert end == {"finished": True}
    assert (opened["project"], opened["group"], opened["resume"]) == ("ehrbench", "medalign", "allow")
    assert opened["name"].startswith("bm25 medalign ")
    assert (opened["config"]["seed"], opened["config"]["limit"], opened["config"]["generation.temperature"]) == (7, 12, 0.0)
    assert {name: value for name, value in opened["config"].items() if isinstance(value, str)} == {"protocol": "clean"}
    metric = results[0].metric("rouge_l")
    found = trackio.numbers()
    assert metric is not None and all(isinstance(value, (int, float)) for row in logged for value in row["numbers"].values())
    assert [found[name] for name in ("rouge_l", "rouge_l_low", "rouge_l_high", "n/rouge_l")] == [
        *(metric.value, metric.low, metric.high, metric.n)
    ]
    assert (found["progress/items"], found["progress/items_open"], found["progress/answered"]) == (12, 0, 12)
    assert found["progress/items_per_second"] > 0 and found["outcomes/answered"] == 12
    assert found["usage/calls"] == results[0].usage.calls and logged[-1]["step"] == 12
    assert any(isinstance(event, Note) and "logged to trackio (local) as run" in event.text for event in events)
    assert results.notes == []


def test_the_process_sees_no_command_line_and_nothing_that_leads_elsewhere(
    trackio: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_NOTES", "WANDB_TAGS", "TRACKIO_WEBHOOK_URL", "TRACKIO_DATASET_ID"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("no_proxy", "intra.example.org")
    done = CliRunner().invoke(
        app, ["run", "--model", "baseline:bm25", "--tasks", "medalign", "--data-dir", "sample", "--limit", "2", "--quiet"]
        + ["--metrics", "rouge_l", "--out", str(tmp_path / "out"), "--log-to", "trackio"]
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    opened = trackio.said()[0]
    assert opened["argv"] == ["-c"] and "elsewhere" not in opened["environment"].values()
    assert opened["environment"]["NO_PROXY"] == "intra.example.org,localhost,127.0.0.1,::1"
    assert opened["environment"]["HF_HUB_OFFLINE"] == "1"


def test_progress_comes_while_items_are_answered(trackio: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EVERY_S", 0.0)
    ehrbench.evaluate("baseline:bm25", "medalign", **RUN, out=tmp_path / "out", log_to="trackio")
    steps = [row["numbers"]["progress/items"] for row in trackio.said() if "progress/items" in row.get("numbers", {})]
    assert steps == [1, 2, 3, 3]


def test_the_same_command_goes_on_in_the_same_logged_run(trackio: StandIn, tmp_path: Path) -> None:
    class Stops:
        name, revision, is_remote = "stops", "1", False
        left = 2

        def generate(self, requests: Any) -> Iterator[Any]:
            for request in requests:
                if self.left == 0:
                    raise KeyboardInterrupt
                self.left -= 1
                yield ehrbench.models.Response(request.id, "no fever")

    import ehrbench.models

    model, notes = Stops(), []
    with pytest.raises(KeyboardInterrupt):
        ehrbench.evaluate(model, "medalign", **RUN, out=tmp_path / "out", log_to="trackio")
    (folder,) = run_folders(tmp_path / "out")
    assert list(json.loads((folder / "private" / "logged.json").read_text())) == ["trackio (local)"]
    model.left = 9
    ehrbench.evaluate(
        model, "medalign", **RUN, out=tmp_path / "out", log_to="trackio",
        on_event=lambda event: notes.append(event.text) if isinstance(event, Note) else None,
    )  # fmt: skip
    names = [row["name"] for row in trackio.said() if "name" in row]
    assert len(names) == 2 and names[0] == names[1]
    assert any(text.endswith(", continued") for text in notes)
    assert trackio.numbers()["progress/items"] == 3
    (trackio.folder / "trackio" / "said.jsonl").write_text("")  # as if somebody had deleted it there
    ehrbench.evaluate(
        model, "medalign", **RUN, out=tmp_path / "out", log_to="trackio",
        on_event=lambda event: notes.append(event.text) if isinstance(event, Note) else None,
    )  # fmt: skip
    assert "a new one" in notes[-1] and "cannot be continued" in notes[-1]


@pytest.mark.parametrize("when", ["init", "log", "finish"])
@pytest.mark.parametrize("how", ["raises", "dies", "hangs"])
def test_a_logger_that_fails_costs_the_run_nothing(
    trackio: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, when: str
) -> None:
    monkeypatch.setattr(logger, "FINISH_S", 1.0)
    trackio.fails(how, when)
    events: list[Any] = []
    tasks = ["medalign", "mimic_instr.schema"]
    results = ehrbench.evaluate(
        "baseline:bm25", tasks, data_dir="sample", limit=3, out=tmp_path / "out", log_to="trackio", on_event=events.append
    )
    failed = [event for event in events if isinstance(event, LoggingFailed)]
    assert [(event.task, event.logger) for event in failed] == [("medalign", "trackio (local)")], "one warning"
    reason = {"raises": "ConnectionError: 401 Unauthorized", "dies": "its process ended", "hangs": "longer than 1 s"}[how]
    assert reason in failed[0].reason and results.notes == [
        f"medalign: not all of it was logged to trackio (local): {failed[0].reason}"
    ]
    plain = ehrbench.evaluate("baseline:bm25", tasks, data_dir="sample", limit=3, out=tmp_path / "plain")
    assert [result.metrics for result in results] == [result.metrics for result in plain]
    for one, other in zip(run_folders(tmp_path / "out"), run_folders(tmp_path / "plain"), strict=True):
        files = final_files(one)
        files.pop("private/logged.json", None)
        assert files == final_files(other)


def test_what_fails_on_this_side_costs_the_run_nothing_either(
    trackio: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EHRBENCH_DEBUG", raising=False)

    def broken(result: Any) -> Any:
        raise RuntimeError("the patient said")

    monkeypatch.setattr(live, "scores_of", broken)
    results = ehrbench.evaluate("baseline:bm25", "medalign", **RUN, out=tmp_path / "out", log_to="trackio")
    assert len(results) == 1
    assert results.notes == [
        "medalign: not all of it was logged to trackio (local): nothing more can be told to it (RuntimeError)"
    ]


def test_a_run_that_is_killed_is_closed_at_the_service_and_the_same_command_goes_on(trackio: StandIn, tmp_path: Path) -> None:
    script = f"""
import os, signal, sys, time
sys.path.insert(0, {str(trackio.folder)!r})
import ehrbench
from ehrbench.models import Response
class Dies:
    name, revision, is_remote = "dies", "1", False
    def generate(self, requests):
        for number, request in enumerate(requests):
            if number == 2 and sys.argv[1] == "kill":
                time.sleep(3)  # so that the logger has opened its run
                os.kill(os.getpid(), signal.SIGKILL)
            yield Response(request.id, "no")
given = dict(data_dir="sample", limit=4, metrics=["rouge_l"], log_to="trackio")
ehrbench.evaluate(Dies(), "medalign", out={str(tmp_path / "out")!r}, **given)
"""
    killed = subprocess.run([sys.executable, "-c", script, "kill"], env=environment(tmp_path / "home"), check=False)
    assert killed.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 30
    while not any("finished" in row for row in trackio.said()):
        assert time.monotonic() < deadline, "the run is still open"
        time.sleep(0.1)
    again = subprocess.run([sys.executable, "-c", script, "go"], env=environment(tmp_path / "home"), check=False)
    assert again.returncode == 0
    names = [row["name"] for row in trackio.said() if "name" in row]
    assert len(names) == 2 and names[0] == names[1] and trackio.numbers()["progress/items"] == 4


def test_the_command_line_warns_once_and_says_it_again_at_the_end(trackio: StandIn, tmp_path: Path) -> None:
    trackio.fails("raises", "log")
    done = CliRunner().invoke(
        app, ["run", "--model", "baseline:bm25", "--tasks", "medalign,mimic_instr.schema", "--data-dir", "sample", "--limit", "2"]
        + ["--quiet", "--out", str(tmp_path / "out"), "--log-to", "trackio"]
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    said = [line for line in done.stderr.splitlines() if "trackio" in line]
    assert len(said) == 2 and "the run goes on" in said[0] and said[1].startswith("ehrbench: not all was logged to trackio")


def test_credentialed_text_is_sent_nowhere(trackio: StandIn, tmp_path: Path, data: Path) -> None:
    class Quotes:
        name, revision, is_remote = "quotes", "1", False

        def generate(self, requests: Any) -> Iterator[Any]:
            from ehrbench.models import Response

            for request in requests:
                yield Response(request.id, request.messages[-1].content[-900:])

    ids = ["9000000000", "9000000101"]
    ehrbench.evaluate(
        Quotes(), "medalign", data_dir=data, metrics=["rouge_l"], samples=ids, out=tmp_path / "out", log_to="trackio"
    )
    (folder,) = run_folders(tmp_path / "out")
    said = (trackio.folder / "trackio" / "said.jsonl").read_text()
    private = (folder / "private" / "predictions.jsonl").read_text()
    assert CANARIES[0] in private and "rouge_l" in said
    for secret in (*CANARIES, *ids, "700000001"):
        assert secret not in said


def test_names_that_nobody_can_vouch_for_are_withheld_and_those_of_patients_refused(
    trackio: StandIn, tmp_path: Path, data: Path
) -> None:
    class Named:
        revision, is_remote = "1", False

        def __init__(self, name: str) -> None:
            self.name = name

        def generate(self, requests: Any) -> Iterator[Any]:
            from ehrbench.models import Response

            for request in requests:
                yield Response(request.id, "no")

    given = {"data_dir": data, "metrics": ["rouge_l"], "out": tmp_path / "out", "log_to": "trackio"}
    ehrbench.evaluate(Named("zebra finch of ward seven"), "medalign", **given)
    assert trackio.said()[0]["name"].startswith("withheld ")
    before = len(trackio.said())
    results = ehrbench.evaluate(Named("what-about-marmalade-obelisk-tangent"), "medalign", **given)
    assert len(trackio.said()) == before and len(results) == 1
    assert "not all of it was logged to trackio (local): what would be logged quotes" in results.notes[0]
    assert CANARIES[1].split()[0] not in results.notes[0]


def test_another_machine_needs_an_approval_before_anything_is_opened(
    trackio: StandIn, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_WRITE_TOKEN", "x")
    given = {"data_dir": data, "metrics": ["rouge_l"], "out": tmp_path / "out", "log_to": "trackio:https://logs.example.org"}
    with pytest.raises(PolicyError, match=r"https://logs.example.org:443 is not this machine.*--log-to trackio:local.*approve"):
        ehrbench.evaluate("baseline:bm25", "medalign", **given)
    assert trackio.said() == [] and not (tmp_path / "out").exists()
    record_approval("https://logs.example.org", "medalign", "A. Officer", "DUA 7")
    ehrbench.evaluate("baseline:bm25", "medalign", **given)
    assert trackio.said()[0]["server_url"] == "https://logs.example.org"
    assert trackio.said()[0]["environment"]["HF_HUB_OFFLINE"] == "0"


def test_open_data_and_this_machine_need_none(
    trackio: StandIn, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKIO_WRITE_TOKEN", "x")
    away, near = "trackio:https://logs.example.org", "trackio:http://127.0.0.1:7860"
    ehrbench.evaluate("baseline:bm25", "medalign", **RUN, out=tmp_path / "sample", log_to=away)
    ehrbench.evaluate("baseline:bm25", "medalign", data_dir=data, metrics=["rouge_l"], out=tmp_path / "out", log_to=[near])
    assert [row["server_url"] for row in trackio.said() if "server_url" in row] == [away[8:], near[8:]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mlfow", "unknown service 'mlfow' (did you mean 'mlflow'?)"),
        ("mlflow:postgresql://db/x", "postgresql: is no place of ours: expected a folder, sqlite:///FILE or http(s)://HOST:PORT"),
        ("mlflow:http://me:secret@host:5000", "the address of host holds a user, a query or a fragment"),
        (
            "wandb",
            "nobody is logged in; `wandb login --host https://api.wandb.ai` does that, or log on this machine: --log-to wandb:",
        ),
        ("wandb:team", "expected wandb, wandb:offline or wandb:https://HOST"),
        ("trackio:https://x.org?write_token=s", "the address of x.org holds a user, a query or a fragment"),
        ("trackio:me/space", "nobody is logged in; `hf auth login` does that, or log on this machine: --log-to trackio:local"),
        ("trackio:https://x.org", "nobody is logged in; put the server's write token into TRACKIO_WRITE_TOKEN"),
        ("trackio:space", "expected trackio:local, trackio:OWNER/SPACE or trackio:http(s)://HOST:PORT"),
    ],
)
def test_what_cannot_be_logged_to_is_said_before_the_model_is_loaded(
    trackio: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.delenv("HF_TOKEN_PATH", raising=False)
    for name in ("mlflow", "wandb"):
        (trackio.folder / name).mkdir()
        (trackio.folder / name / "__init__.py").write_text("")
    monkeypatch.setattr("ehrbench.evaluation.load_model", lambda *_: pytest.fail("the model was loaded"))
    with pytest.raises(UsageError) as caught:
        ehrbench.evaluate("baseline:bm25", "medalign", **RUN, out=tmp_path / "out", log_to=text)
    assert message in str(caught.value) and "secret" not in str(caught.value).replace("and secrets in", "")


def test_a_package_that_is_not_there_is_named_with_its_extra_and_a_folder_of_its_name_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wandb").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(
        "ehrbench.runs.loggers.places.find_spec",
        lambda name: __import__("importlib.machinery").machinery.PathFinder.find_spec(name, [str(tmp_path)]),
    )
    for name in SERVICES:
        with pytest.raises(
            MissingError, match=rf"--log-to {name} needs {name}.*not installed here: pip install 'ehrbench\[{name}\]'"
        ):
            loggers(f"{name}:offline" if name == "wandb" else name, tmp_path)


def test_one_service_twice_is_refused(trackio: StandIn, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="trackio is given twice"):
        loggers(["trackio", "trackio:local"], tmp_path)


def test_environment_variables_of_the_services_say_where(
    trackio: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mlflow", "wandb", "sqlalchemy", "alembic"):
        (trackio.folder / name).mkdir(exist_ok=True)
        (trackio.folder / name / "__init__.py").write_text("")
    assert loggers("mlflow", tmp_path)[0].place == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example.org:5000")
    assert loggers("mlflow", tmp_path)[0].endpoint == "http://tracking.example.org:5000"
    monkeypatch.setenv("WANDB_API_KEY", "x")
    assert loggers("wandb", tmp_path)[0].endpoint == "https://api.wandb.ai:443"
    monkeypatch.setenv("WANDB_BASE_URL", "http://localhost:8080")
    assert loggers("wandb", tmp_path)[0].endpoint is None
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert loggers("wandb", tmp_path)[0].place == "offline"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with pytest.raises(UsageError, match="WANDB_MODE is 'disabled'"):
        loggers("wandb", tmp_path)
    monkeypatch.setenv("HF_TOKEN", "x")
    monkeypatch.setenv("TRACKIO_SPACE_ID", "me/space")
    assert loggers("trackio", tmp_path)[0].endpoint == "https://huggingface.co:443"


def test_a_dry_run_says_where_and_writes_nothing(trackio: StandIn, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("model: baseline:bm25\ntasks: medalign\ndata_dir: sample\nlimit: 2\nlog_to: [trackio]\n")
    arguments = ["run", "--config", str(config), "--out", str(tmp_path / "out"), "--dry-run"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1] == "logged to trackio (local): on this machine"
    assert json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)[0]["log_to"] == ["trackio (local)"]
    assert trackio.said() == [] and not (tmp_path / "out").exists()


def test_a_study_logs_its_cells(trackio: StandIn, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(
        "study: small\ndata_dir: sample\nmodels: {bm25: baseline:bm25, newest: baseline:newest}\nsettings: {limit: 2}\n"
        "log_to: trackio\nquestions: {one: {tasks: medalign, metrics: rouge_l}}\nreport: {leaderboard: false}\n"
    )
    dry = CliRunner().invoke(app, ["study", "run", str(file), "--dry-run"])
    assert dry.exit_code == 0 and "logged to trackio (local): on this machine" in dry.stdout
    study = ehrbench.Study.load(file)
    digests = [cell.id for cell in study.cells]
    assert {one.state for one in study.run()} == {"done"}
    assert [row["name"].split()[0] for row in trackio.said() if "name" in row] == ["bm25", "newest"]
    file.write_text(file.read_text().replace("log_to: trackio\n", ""))
    again = ehrbench.Study.load(file)
    assert [cell.id for cell in again.cells] == digests
    assert {one.state for one in again.status()} == {"done"}, "loggers decide no number"
    file.write_text(file.read_text() + "log_to: [trackio, mlfow]\n")
    with pytest.raises(UsageError, match=r"study.yaml:7.*unknown service 'mlfow'"):
        ehrbench.Study.load(file)


def test_the_manifest_does_not_tell_where() -> None:
    assert (
        command_line(["run", "--log-to", "mlflow:/home/jo/db", "--log-to=wandb:https://w.org"])
        == "ehrbench run --log-to … --log-to=…"
    )
