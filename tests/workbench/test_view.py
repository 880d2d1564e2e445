"""Lists, items, prompts, notes: what the pages say against the runs' own files."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ehrbench import evaluate
from ehrbench.correlation.judged import judge_agreement
from ehrbench.correlation.options import Options
from ehrbench.correlation.ratings import build
from ehrbench.errors import UsageError
from ehrbench.jsonl import read_rows
from ehrbench.judge.stored import read_judges
from ehrbench.metrics.metric import Scorable
from ehrbench.scoring.loaded import find_runs, load_run
from ehrbench.workbench.access import OneDoor
from ehrbench.workbench.record import Timeline, tidy
from ehrbench.workbench.view.app import SetPages, ViewPages
from ehrbench.workbench.view.listing import Wanted, read_wanted
from ehrbench.workbench.view.prompt import prompts
from ehrbench.workbench.view.runs import find_sets
from ehrbench.workbench.view.serve import open_pages
from ehrbench.workbench.view.working import working
from tests.workbench.served import Client, in_thread


@pytest.fixture
def pages(looked: Path) -> ViewPages:
    return open_pages([looked])


@pytest.fixture
def one(pages: ViewPages) -> SetPages:
    (only,) = pages.sets
    return only


@pytest.fixture
def client(pages: ViewPages) -> Iterator[Client]:
    doors = OneDoor()
    with in_thread(*pages.app(doors)) as port:
        client = Client(port)
        client.enter(doors.token)
        yield client


def _scores(one: SetPages, run: int) -> dict[str, float]:
    rows = read_rows(one.runs.runs[run].folder.scores)
    return {row["item"]: row["score"] for row in rows if row["metric"] == one.runs.primary[0]}


def _named(one: SetPages, name: str) -> int:
    return next(k for k, run in enumerate(one.runs.runs) if run.label.startswith(name))


def test_labels_tell_runs_of_one_model_apart(one: SetPages) -> None:
    assert sorted(run.label for run in one.runs.runs) == ["alder-7b", "bm25, refine", "bm25, truncate", "juniper-32k"]


def test_lists_sort_and_filter_as_the_files_say(one: SetPages) -> None:
    a, b = _named(one, "juniper-32k"), _named(one, "alder-7b")
    first, second = _scores(one, a), _scores(one, b)
    ids = [item.id for item in one.runs.items]

    def listed(**wanted: Any) -> list[str]:
        return [ids[n] for n in one.listing.places(Wanted(**wanted), "", [], 100, 0)]

    assert listed() == ids
    assert [first[i] for i in listed(sort=f"s{a}", down=True)] == sorted(first.values(), reverse=True)
    differences = [first[i] - second[i] for i in listed(sort=f"s{a}-s{b}", down=True)]
    assert differences == sorted(differences, reverse=True)
    assert set(listed(better=str(a), worse=str(b))) == {i for i in ids if first[i] >= 0.5 > second[i]}
    short = _named(one, "bm25, truncate")
    cut = {i for i, p in load_run(one.runs.runs[short].folder).predictions.items() if p.record_tokens_seen < p.record_tokens}  # type: ignore[operator]
    assert cut and set(listed(only="cut")) == cut
    assert listed(sort=f"f{short}")[-1] not in cut, "items without a value come last"
    assert listed(outcome="overflow") == []
    key, values = next(iter(one.strata.items()))
    assert set(listed(stratum={key: values[0]})) == {i.id for i in one.runs.items if i.meta.get(key) == values[0]}


def test_an_address_that_means_nothing_is_passed_over(one: SetPages) -> None:
    odd = {
        "sort": "s9; DROP TABLE items",
        "outcome": "x",
        "better": "99",
        "page": "-1",
        "run": "a",
        "only": "all",
        "in.category": "x",
    }
    assert read_wanted(odd, 4, one.strata) == Wanted()
    for text in ("s1-s0", "d", "h2"):
        assert read_wanted({"sort": text}, 4, {}).sort == text
    assert read_wanted({"sort": "s4"}, 4, {}).sort == "n"


def test_words_are_found_and_stand_in_no_address(one: SetPages, client: Client) -> None:
    found = one.listing.places(Wanted(), "statin", [], 100, 0)
    texts = {n: i.question + " ".join(i.references) for n, i in enumerate(one.runs.items)}
    assert found and {n for n, text in texts.items() if re.search(r"\bstatin", text, re.I)} <= set(found)
    reply = client.ask(
        "/0/find?sort=s0&down=1", "POST", "words=statin+myopathy", Content_Type="application/x-www-form-urlencoded"
    )
    assert reply.status == 303
    assert "statin" not in reply.headers["Location"] and "sort=s0" in reply.headers["Location"]
    page = client.ask(reply.headers["Location"]).text
    assert "“statin myopathy”" in page
    assert len(re.findall(r'<th scope="row"><a', page)) == one.listing.count(Wanted(), "statin myopathy", []) > 0
    assert one.listing.count(Wanted(), '"quoted" OR * NEAR(', []) >= 0, "no search is a query language"


def test_the_index_is_private_made_once_and_made_again_when_a_run_changes(looked: Path, tmp_path: Path) -> None:
    copied = tmp_path / "results"
    shutil.copytree(looked, copied)
    for old in (copied / "private").glob("view-*"):
        old.unlink()
    said: list[str] = []
    open_pages([copied], say=said.append)
    (index,) = (copied / "private").glob("view-*")
    assert index.stat().st_mode & 0o777 == 0o600 and (copied / "private").stat().st_mode & 0o777 == 0o700
    open_pages([copied], say=said.append)
    assert len(said) == 1
    scores = find_runs([copied])[0].scores
    scores.write_text(scores.read_text() + json.dumps({"item": "x", "metric": "m", "score": 1}) + "\n")
    open_pages([copied], say=said.append)
    assert len(said) == 2 and len(list((copied / "private").glob("view-*"))) == 1
    (index,) = (copied / "private").glob("view-*")
    whole = index.read_bytes()
    for damaged in (whole[: len(whole) // 2], whole[:20], b"", b"not a database" * 500):
        index.write_bytes(damaged)
        made = len(said)
        open_pages([copied], say=said.append)
        assert len(said) == made + 1 and index.read_bytes()[:100] == whole[:100], "what can be made again is made again"
    index.unlink()
    index.mkdir()
    with pytest.raises(UsageError, match="cannot be made or read"):
        open_pages([copied])


def test_prompts_are_made_again_to_the_letter(one: SetPages) -> None:
    dataset = one.runs.found[0]
    assert dataset is not None
    several = 0
    for run in one.runs.runs:
        predictions = load_run(run.folder).predictions
        for item in one.runs.items[:12]:
            prediction = predictions[item.id]
            made = prompts(run, dataset, item, prediction)
            assert not isinstance(made, str)
            cut = prediction.notes.get("previous_answer_cut_in_steps", [])
            assert all(p.verified for p in made if p.step not in cut), (run.label, item.id)
            several += len(made) > 1
    assert several > 3


def test_prompts_of_sampled_answers_are_known_by_the_seed_of_their_item(tmp_path: Path) -> None:
    evaluate("baseline:bm25", "medalign", data_dir="sample", limit=3, temperature=0.7, seed=5, out=tmp_path, metrics=["rouge_l"])
    (runs,) = find_sets([tmp_path], None)
    (dataset, _), (run,) = runs.found, runs.runs
    assert dataset is not None
    predictions = load_run(run.folder).predictions
    for item in runs.items:
        made = prompts(run, dataset, item, predictions[item.id])
        assert not isinstance(made, str) and all(one.verified for one in made)


def test_what_was_not_seen_is_told_apart(one: SetPages) -> None:
    short = one.runs.runs[_named(one, "bm25, truncate")]
    run = load_run(short.folder)
    item = next(i for i in run.items if run.predictions[i.id].record_tokens_seen < run.predictions[i.id].record_tokens)  # type: ignore[operator]
    assert run.load_record is not None and item.record_id is not None
    record = run.load_record(item.record_id)
    ((start, end),) = run.predictions[item.id].record_shown[0]  # type: ignore[index]
    timeline = Timeline(record)
    shown = [[(start, end)]]
    exact = [s for p in timeline.pages for b in p.blocks for s in timeline.segments(b, shown, readable=False)]
    seen = "".join(s.text for s in exact if s.seen)
    assert end == len(record.text) and 0 < start < end
    assert (
        len(seen) > 1000
        and seen in record.text[start:].replace("", "")
        or all(s.text in record.text[start:] for s in exact if s.seen)
    )
    assert all(s.text in record.text[:start] for s in exact if not s.seen)


def test_a_record_is_divided_without_loss() -> None:
    from datetime import datetime

    from ehrbench.records.record import Entry, Record

    text = "".join(f"Entry {k}: " + "word " * (k * 37 % 900) + "\n" for k in range(200))
    places = [match.start() for match in re.finditer(r"Entry \d+:", text)] + [len(text)]
    entries = [Entry(s, e, datetime(2020, 1, 1), "note") for s, e in zip(places, places[1:], strict=False)]
    for record in (Record("r", text, entries), Record("r", text, [])):
        timeline = Timeline(record)
        blocks = [block for page in timeline.pages for block in page.blocks]
        assert "".join(text[b.start : b.end] for b in blocks) == text
        assert all(sum(b.end - b.start for b in page.blocks) <= 24_000 for page in timeline.pages)
        hits = timeline.search("entry  7:")
        assert [hit.found for hit in hits] == ["Entry 7:"]
        assert timeline.page_at(text.index("Entry 150:")) == timeline.search("Entry 150:")[0].page
    assert tidy('<e name="Sodium" unit="mmol/L">141</e>\n<e name="BP &lt; 120"/>') == "Sodium: 141 mmol/L\nBP < 120"
    assert tidy("BP < 120 and > 80 &amp; stable") == "BP < 120 and > 80 & stable"


def test_pages_show_scores_judges_and_hostile_text_as_text(one: SetPages, client: Client) -> None:
    page = client.ask("/0/item/2").text
    assert "scripted</strong> gives 8 to this answer and 4 to alder-7b" in page
    assert "The reason is plain." in page
    assert "gave no verdict that can be read" in client.ask("/0/item/1").text
    for n in range(1, 5):
        assert client.ask(f"/0/item/{n}?mark=1&see=all&text=exact").status == 200
    for path in ("/0/item/0", "/0/item/9999", "/0/item/x", "/0/item/1/prompt/9", "/0/item/1/record/page/999", "/1/"):
        assert client.ask(path).status == 404, path


def test_flags_and_notes_are_kept_per_person_and_exported_without_text(looked: Path, client: Client, one: SetPages) -> None:
    body = "flag=1&note=private+remark"
    reply = client.ask("/0/item/3/note?at=2", "POST", body, Content_Type="application/x-www-form-urlencoded")
    assert reply.status == 303 and reply.headers["Location"] == "/0/item/3?at=2#notes"
    assert "private remark" in client.ask("/0/item/3").text
    table = client.ask("/0/flags.csv").text
    assert one.runs.items[2].id in table and "private remark" not in table
    (other,) = open_pages([looked], person="somebody else").sets
    assert other.notes.flagged() == [] and "private remark" in str(other.notes.others(one.runs.items[2].id))
    path = looked / "private" / "notes.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()


def test_runs_without_their_data_say_so_and_show_the_rest(looked: Path, tmp_path: Path) -> None:
    copied = tmp_path / "results"
    shutil.copytree(looked, copied)
    (one,) = open_pages([copied], data_dir=str(tmp_path / "nowhere")).sets
    assert one.listing.total == 44 and "is not there" in one.runs.found[1]
    doors = OneDoor()
    with in_thread(*open_pages([copied], data_dir=str(tmp_path / "nowhere")).app(doors)) as port:
        client = Client(port)
        client.enter(doors.token)
        assert "The data are not shown" in client.ask("/0/").text
        page = client.ask("/0/item/1")
        assert page.status == 200 and "The records are not on this machine." in page.text
        assert "The data are not shown" in client.ask("/0/item/1/prompt/0").text


def test_runs_of_other_data_stand_apart(looked: Path, tmp_path: Path) -> None:
    copied = tmp_path / "results"
    shutil.copytree(looked, copied)
    folder = find_runs([copied])[0]
    manifest = json.loads(folder.manifest.read_text())
    manifest["config"]["data_hash"] = "0" * 64
    folder.manifest.write_text(json.dumps(manifest))
    assert [len(s.runs) for s in find_sets([copied], None)] == [1, 3]
    doors = OneDoor()
    with in_thread(*open_pages([copied]).app(doors)) as port:
        client = Client(port)
        client.enter(doors.token)
        page = client.ask("/").text
        assert "were asked about different data" in page and 'href="/1/"' in page
        assert "not those that the runs were asked about" in client.ask("/0/").text


def test_working_marks_what_is_shared() -> None:
    golds = ("took aspirin daily", "never took a statin")
    found = working(Scorable("i", "She never took any statin.", golds), ["rouge_1", "bogus"])
    assert found.nearest == 2
    assert "".join(p.text for p in found.pieces) == "She never took any statin."
    assert [p.text for p in found.pieces if p.shared] == ["never took", "statin"]
    assert [read.metric for read in found.read] == ["ROUGE-1"]
    shared = "3 of 5 in the answer, of 4 in the gold answer: never; took; statin"
    assert dict(found.read[0].lines) == {"shared words": shared}


def test_a_judge_beside_raters(looked: Path, tmp_path: Path) -> None:
    (judge,) = read_judges([looked])
    assert judge.reference == "alder-7b" and judge.n_unreadable > 0
    items = sorted({item for item, _ in judge.scores})
    nan = float("nan")
    rows: dict[tuple[str, str, str], tuple[float, float, bool, float]] = {}
    for k, item in enumerate(items):
        for rater, agrees in (("ada", k % 4 != 0), ("ben", k % 2 == 0)):
            order = ("juniper-32k", "alder-7b") if agrees else ("alder-7b", "juniper-32k")
            rows |= {(item, rater, system): (place, nan, True, nan) for place, system in enumerate(order, 1)}
    rankings = build("test", rows, {}, with_used=True, with_lengths=False)
    report = judge_agreement(rankings, judge.judge, judge.scores, Options(resamples=500))
    values = [((1 if k % 4 else -1) + (1 if k % 2 == 0 else -1)) / 2 for k in range(len(items))]
    among = [(1 if k % 4 else -1) * (1 if k % 2 == 0 else -1) for k in range(len(items))]
    assert report.with_raters.value == pytest.approx(sum(values) / len(items))
    assert report.raters.value == pytest.approx(sum(among) / len(items))
    assert report.difference.value == pytest.approx((sum(values) - sum(among)) / len(items))
    assert report.difference.low < report.difference.value < report.difference.high  # type: ignore[operator]
    table = tmp_path / "ratings.csv"
    lines = [f"{i},{r},{s},{rank:g}" for (i, r, s), (rank, *_) in rows.items()]
    table.write_text("item,rater,system,rank\n" + "\n".join(lines) + "\n")
    arguments = ["agreement", "--ratings", str(table), "--judge", str(looked), "--json"]
    done = subprocess.run([sys.executable, "-m", "ehrbench", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (beside,) = json.loads(done.stdout)["judges"]
    assert beside["difference"]["value"] == pytest.approx(report.difference.value)
    with pytest.raises(UsageError, match="no score for any answer"):
        judge_agreement(rankings, "j", {}, Options(resamples=100))
    with pytest.raises(UsageError, match="no judge's run"):
        read_judges([looked / "alder-7b"])
