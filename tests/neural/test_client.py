"""The worker process seen from outside: every way in which it can fail is named, and the next call starts another."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import pytest

from ehrbench.errors import UsageError
from ehrbench.neural import worker as protocol
from ehrbench.neural.client import Worker, WorkerError

SECRET = "the patient is called Wilhelmina"
HELLO = '{"protocol": 1, "python": "3.11.7", "libraries": {"torch": "9"}}'


def fake(tmp_path: Path, body: str, hello: str = HELLO) -> Worker:
    """A worker that says hello and then does ``body`` for each request (``send``, ``request``)."""
    script = tmp_path / "fake.py"
    script.write_text(
        "import json, os, sys, time\n"
        "def send(message):\n    print(json.dumps(message), flush=True)\n"
        f"print({hello!r}, flush=True)\n"
        "for line in sys.stdin:\n    request = json.loads(line)\n" + textwrap.indent(textwrap.dedent(body), "    "),
        "utf-8",
    )
    return Worker(Path(sys.executable), silence_s=1.0, script=script)


def ask(worker: Worker, op: str = "score") -> object:
    try:
        return worker.call(op, "scoring with 'comet'", rows=[{"mt": SECRET}])
    finally:
        worker.close()


def test_answers_and_progress_come_through(tmp_path: Path) -> None:
    worker = fake(
        tmp_path,
        """
        send({"id": request["id"], "done": 2})
        send({"id": request["id"], "done": 1})
        send({"id": request["id"], "ok": len(request["rows"])})
        """,
    )
    told: list[int] = []
    assert worker.call("score", "scoring", told.append, rows=[{}, {}, {}]) == 3
    assert told == [2, 1] and worker.libraries == {"torch": "9"}
    assert worker.call("score", "scoring", rows=[{}]) == 1
    worker.close()


def test_a_large_request_to_a_worker_that_does_not_read_does_not_block(tmp_path: Path) -> None:
    worker = fake(tmp_path, "time.sleep(60)")
    with pytest.raises(WorkerError, match="no sign of life for 1 s while scoring with 'comet'"):
        worker.call("score", "scoring with 'comet'", rows=[{"mt": "x" * 5_000_000}] * 2)
    assert worker._process is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("time.sleep(60)", "no sign of life for 1 s while scoring with 'comet' and was stopped"),
        ("print(request['rows'], file=sys.stderr); os.kill(os.getpid(), 9)", "was killed by SIGKILL while scoring with 'comet'"),
        ("sys.stderr.write(str(request)); sys.exit(3)", "ended with status 3 while scoring"),
        ("print(request['rows'][0]['mt'], flush=True)", "wrote something other than its protocol"),
        ("send({'id': request['id'], 'error': 'ValueError', 'kind': 'score'})", r"failed in the metrics' worker \(ValueError\)"),
        ("send({'id': request['id'], 'error': 'x', 'kind': 'memory'})", "memory is short; give smaller batches"),
        ("send({'id': request['id'], 'error': 'cannot import comet', 'kind': 'environment'})", "setup comet --force"),
    ],
)
def test_a_failing_worker_is_named_without_text_of_the_items(tmp_path: Path, body: str, message: str) -> None:
    with pytest.raises(WorkerError, match=message) as caught:
        ask(fake(tmp_path, body))
    assert "Wilhelmina" not in str(caught.value)


def test_after_a_crash_the_next_call_starts_another(tmp_path: Path) -> None:
    worker = fake(tmp_path, "sys.exit(1) if request['rows'] == [] else send({'id': request['id'], 'ok': 7})")
    with pytest.raises(WorkerError):
        worker.call("score", "scoring", rows=[])
    assert worker.call("score", "scoring", rows=[1]) == 7
    worker.close()


def test_a_worker_of_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=f"speaks protocol 99, expected {protocol.PROTOCOL}"):
        ask(fake(tmp_path, "pass", hello='{"protocol": 99}'))


def test_a_worker_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match="cannot be started .FileNotFoundError.: run `ehrbench metrics setup comet --force`"):
        ask(Worker(tmp_path / "python"))
    script = tmp_path / "broken.py"
    script.write_text("import a_library_that_is_not_there\n", "utf-8")
    with pytest.raises(WorkerError, match="ended with status 1 while starting .ModuleNotFoundError.*a_library_that_is_not_there"):
        ask(Worker(Path(sys.executable), script=script))


def test_the_real_worker_starts_on_any_python_and_names_what_it_lacks(tmp_path: Path) -> None:
    worker = Worker(Path(sys.executable))
    with pytest.raises(WorkerError, match="loading 'x': the metrics' environment is broken, it cannot import (comet|torch)"):
        worker.call("load", "loading 'x'", kind="comet", options={"checkpoint": str(tmp_path)})
    with pytest.raises(UsageError, match="nothing is loaded"):
        worker.call("count", "counting", texts=["a"])
    with pytest.raises(UsageError, match="loading: the checkpoint cannot be used: KeyError"):
        worker.call("load", "loading", kind="none", options={})
    worker.close()


def test_errors_of_a_library_while_scoring_name_their_class_only() -> None:
    sent: list[dict[str, object]] = []
    session = protocol.Session(sent.append)

    class Broken:
        def score(self, rows: object, done: object) -> list[float]:
            raise ValueError(SECRET)

    session._loaded = "", Broken()
    session.answer({"id": 1, "op": "score", "rows": [{"mt": SECRET}]})
    assert sent == [{"id": 1, "error": "ValueError", "kind": "score"}]
