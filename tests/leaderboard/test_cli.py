import json
import threading
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ehrbench.cli.leaderboard import app
from ehrbench.errors import PolicyError, UsageError
from ehrbench.leaderboard import serve as serving
from ehrbench.results.store import write_result
from tests.results.factory import make_metric, make_result


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_result(tmp_path / "results/m/medalign/abc/result.json", make_result("my-model"))
    return tmp_path


def test_build_reads_results_and_the_papers_tables_by_default(folder: Path) -> None:
    done = CliRunner().invoke(app, ["build"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "leaderboard-site/index.html" in done.stdout
    index = (folder / "leaderboard-site/index.html").read_text()
    assert "my-model" in index
    assert "EHR-R1-72B" in index
    assert CliRunner().invoke(app, ["check"], catch_exceptions=False).exit_code == 0


def test_build_of_named_folders_as_json(folder: Path) -> None:
    (folder / "results/broken.results.json").write_text("[")
    arguments = ["build", "results", "--out", "site", "--no-published", "--title", "Our hospital", "--json"]
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    said = json.loads(done.stdout)
    assert said["results"] == 1
    assert said["index"] == "site/index.html"
    assert ["broken.results.json:1: not JSON" in problem for problem in said["left_out"]] == [True]
    assert "<h1>Our hospital</h1>" in (folder / "site/index.html").read_text()
    with pytest.raises(UsageError, match="is not a folder"):
        CliRunner().invoke(app, ["build", "nothing"], catch_exceptions=False)


def test_check_says_what_is_wrong_and_exits_4(folder: Path) -> None:
    CliRunner().invoke(app, ["build", "results", "--no-published"], catch_exceptions=False)
    private = folder / "results/m/medalign/abc/private"
    private.mkdir()
    text = "she was given two units of packed red cells on the ward"
    (private / "predictions.jsonl").write_text(json.dumps({"item": "a-000123", "answer": text}) + "\n")
    note = make_metric(note="As in: was given two units of packed red cells on")
    write_result(folder / "results/m/medalign/abc/result.json", make_result("my-model", metrics=[note]))
    with pytest.raises(PolicyError, match="quotes 8 or more words"):
        CliRunner().invoke(app, ["build", "results"], catch_exceptions=False)
    page = folder / "leaderboard-site/index.html"
    page.write_text(page.read_text().replace("<h1>", f"<h1>{text} "))
    done = CliRunner().invoke(app, ["check", "leaderboard-site", "--results", "results"], catch_exceptions=False)
    assert done.exit_code == 4
    assert done.stdout.startswith("index.html:")
    assert "packed" not in done.stdout
    again = CliRunner().invoke(app, ["check", "--json"], catch_exceptions=False)
    assert json.loads(again.stdout)[0]["place"].startswith("index.html:")
    with pytest.raises(UsageError, match="holds no site"):
        CliRunner().invoke(app, ["check", "results"], catch_exceptions=False)


def test_serve_answers_this_machine_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CliRunner().invoke(app, ["build", "results", "--no-published"], catch_exceptions=False)
    said: list[str] = []
    servers: list[serving.ThreadingHTTPServer] = []

    class Server(serving.ThreadingHTTPServer):
        def __init__(self, address: tuple[str, int], handler: object) -> None:
            assert address[0] == "127.0.0.1"
            super().__init__(address, handler)  # type: ignore[arg-type]
            servers.append(self)

    monkeypatch.setattr(serving, "ThreadingHTTPServer", Server)
    ready = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        ready.set()

    thread = threading.Thread(target=serving.serve, args=(Path("leaderboard-site"), 0, say), daemon=True)
    thread.start()
    assert ready.wait(10)
    address = said[0].split()[0]
    assert address.startswith("http://127.0.0.1:")
    with urllib.request.urlopen(address) as answer:
        assert b"my-model" in answer.read()
    servers[0].shutdown()
    thread.join(10)
    with pytest.raises(UsageError, match="holds no site"):
        serving.serve(Path("results"), 0, say)


def test_a_public_site_has_what_hosts_want_and_fetches_nothing(folder: Path) -> None:
    address = "https://ward.example.org/board"
    done = CliRunner().invoke(app, ["publish-pages", address, "results", "--no-published"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    site = folder / "leaderboard-public"
    first = {path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()}
    assert {"404.html", "robots.txt", "sitemap.xml", "overview.png", ".nojekyll"} <= {path.name for path in first}
    assert (site / "overview.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert f"<loc>{address}/models/my-model.html</loc>" in (site / "sitemap.xml").read_text()
    page = (site / "index.html").read_text()
    assert f'<meta property="og:image" content="{address}/overview.png">' in page
    assert "default-src &#39;none&#39;" in page
    assert f'href="{address}/index.html"' in (site / "404.html").read_text()
    again = CliRunner().invoke(app, ["publish-pages", address, "results", "--no-published", "--json"], catch_exceptions=False)
    assert json.loads(again.stdout)["files_written"] == 0
    assert {path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()} == first
    assert CliRunner().invoke(app, ["check", str(site)], catch_exceptions=False).exit_code == 0
    with pytest.raises(UsageError, match="is not an address of the web"):
        CliRunner().invoke(app, ["publish-pages", "ftp://x", "results"], catch_exceptions=False)


def test_a_rebuild_with_one_new_result_writes_only_the_pages_that_change(folder: Path) -> None:
    for k in range(6):
        result = make_result(f"other-{k}", task="ward.alpha" if k % 2 else "ward.beta", data_policy="open")
        write_result(folder / f"results/other{k}/result.json", result)
    CliRunner().invoke(app, ["build", "results", "--no-published"], catch_exceptions=False)
    before = {path: path.stat().st_mtime_ns for path in (folder / "leaderboard-site").rglob("*.html")}
    write_result(folder / "results/new/result.json", make_result("new-model", task="ward.alpha", data_policy="open"))
    CliRunner().invoke(app, ["build", "results", "--no-published"], catch_exceptions=False)
    kept = {path.name for path, time in before.items() if path.stat().st_mtime_ns == time}
    assert {"medalign.html", "ward.beta.html", "other-0.html", "my-model.html"} <= kept
    assert {"index.html", "ward.alpha.html", "about.html", "models.html"}.isdisjoint(kept)
