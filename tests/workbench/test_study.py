"""Plan, store, blinding and export: who reads what, that nothing is lost, and what the exported table says."""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ehrbench.correlation.human import human_stats
from ehrbench.correlation.options import Options
from ehrbench.correlation.ratings import read_ratings
from ehrbench.errors import EhrbenchError, MissingError, UsageError
from ehrbench.readers.data_dir import locate
from ehrbench.readers.item import Item
from ehrbench.runs.folder import RunFolder
from ehrbench.scoring.loaded import LoadedRun, load_run
from ehrbench.suites.medalign.rated import read_release
from ehrbench.workbench.rate import export as exporting
from ehrbench.workbench.rate.answers import load_material
from ehrbench.workbench.rate.blinding import blind_order, blind_pairs
from ehrbench.workbench.rate.plan import Wish, assign, draw_items, read_raters
from ehrbench.workbench.rate.power import (
    BASE,
    ERROR,
    SHARED,
    Design,
    detectable_rank,
    detectable_share,
    rank_power,
    verdict_power,
)
from ehrbench.workbench.rate.rules import checked, missing, pair_key, ranks
from ehrbench.workbench.rate.serve import open_study
from ehrbench.workbench.rate.store import Action, Stale, Store, Work
from ehrbench.workbench.rate.study import Rater, Study, read_study
from tests.workbench.conftest import RATERS, make_study
from tests.workbench.served import Command


def _items(n: int, **meta: Any) -> list[Item]:
    return [Item(f"i{k:03}", f"question {k}", meta={key: value[k % len(value)] for key, value in meta.items()}) for k in range(n)]


def test_loads_are_balanced_and_overlaps_have_their_readers() -> None:
    raters = [Rater(name=f"r{k}") for k in range(9)]
    assigned, _ = assign(_items(303), raters, Wish(overlap=50, readers=3))
    sizes = Counter(map(len, assigned.values()))
    assert sizes == {3: 50, 1: 253}
    loads = Counter(name for readers in assigned.values() for name in readers)
    assert max(loads.values()) - min(loads.values()) <= 1
    assert all(len(set(readers)) == len(readers) for readers in assigned.values())
    assert assign(_items(303), raters, Wish(overlap=50, readers=3))[0] == assigned
    assert assign(_items(303), raters, Wish(overlap=50, readers=3, seed=1))[0] != assigned


def test_nobody_reads_their_own_and_specialty_comes_first() -> None:
    raters = [Rater(name="a", specialty="Cardiology"), Rater(name="b", specialty="oncology"), Rater(name="c")]
    items = _items(30, specialty=["Cardiology", "Oncology", None], authors=[["a"], "b", []])
    assigned, _ = assign(items, raters, Wish())
    for item in items:
        assert not set(assigned[item.id]) & {*item.meta["authors"]}
    items = _items(30, specialty=["Cardiology", "Oncology", None])
    assigned, notes = assign(items, raters, Wish())
    by = {item.id: item.meta["specialty"] for item in items}
    assert all(assigned[i] == ["a"] for i, s in by.items() if s == "Cardiology")
    assert all(assigned[i] == ["b"] for i, s in by.items() if s == "Oncology")
    assert notes[0] == "20 of 20 readings are by the instruction's own specialty"
    with pytest.raises(UsageError, match="needs 3 readers and 2 may read it"):
        assign(_items(2, authors=[["a"]]), raters, Wish(per_item=3))


def test_items_are_drawn_in_proportion() -> None:
    items = _items(100, kind=["x", "x", "x", "y"])
    drawn = draw_items(items, Wish(items=21, stratify="kind"))
    counts = Counter(item.meta["kind"] for item in drawn)
    assert len(drawn) == 21 and counts["x"] in (15, 16)
    with pytest.raises(UsageError, match="ask for 1 to 100"):
        draw_items(items, Wish(items=101))
    with pytest.raises(UsageError, match="no item has such a value"):
        draw_items(items, Wish(items=5, stratify="nothing"))


def test_a_rater_named_twice_is_refused_with_both_rows(tmp_path: Path) -> None:
    path = tmp_path / "raters.csv"
    path.write_text("name,specialty\nAda,x\nBen,y\nAda,z\n")
    with pytest.raises(UsageError, match=r"row 3: rater 'Ada' is there a second time \(first in row 1\)"):
        read_raters(path)
    path.write_text("name\n<b>\n")
    with pytest.raises(UsageError, match="not usable"):
        read_raters(path)


def test_orders_are_each_raters_own_and_even() -> None:
    systems = ["s1", "s2", "s3", "s4"]
    first = Counter(blind_order(0, rater, f"i{k}", systems)["A"] for rater in "xy" for k in range(500))
    assert all(200 < n < 300 for n in first.values())
    assert blind_order(0, "x", "i1", systems) == blind_order(0, "x", "i1", systems[::-1])
    assert any(blind_order(0, "x", f"i{k}", systems) != blind_order(0, "y", f"i{k}", systems) for k in range(5))
    assert sorted(map(sorted, blind_pairs(0, "x", "i", systems))) == sorted(map(list, combinations("ABCD", 2)))


def test_the_store_keeps_history_and_refuses_stale_pages(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.sqlite")
    assert (tmp_path / "r.sqlite").stat().st_mode & 0o777 == 0o600
    one = store.act("ada", "i", Action("rank", "s1", 2, "click-0001", 0, 3.0))
    assert one == Work({"rank": {"s1": 2}}, 1, False, 3.0)
    assert store.act("ada", "i", Action("rank", "s1", 2, "click-0001", 0, 3.0)) == one, "the same click twice is one click"
    with pytest.raises(Stale) as stale:
        store.act("ada", "i", Action("rank", "s1", 3, "click-0002", 0))
    assert stale.value.work == one
    store.act("ada", "i", Action("rank", "s1", 1, "click-0003", 1))
    store.act("ada", "i", Action("done", "", True, "click-0004", 2), lambda state: False)
    assert store.work("ada", "i").done is False
    store.act("ada", "i", Action("done", "", True, "click-0005", 3))
    assert store.act("ada", "i", Action("rank", "s1", None, "click-0006", 4), lambda state: "rank" in state).done is False
    assert [(f, s, v) for _, f, s, v in store.history("ada", "i")] == [
        ("rank", "s1", 2),
        ("rank", "s1", 1),
        ("done", "", True),
        ("done", "", True),
        ("rank", "s1", None),
    ]
    assert store.work("ben", "i") == Work({})


def test_links_are_personal_and_can_be_renewed(tmp_path: Path) -> None:
    store = Store(tmp_path / "r.sqlite")
    links = store.links(["ada", "ben"])
    cookie = store.enter(links["ada"])
    assert cookie is not None and store.visitor(cookie) == "ada"
    assert store.links(["ada", "ben"]) == links
    assert store.enter("x") is None and store.visitor("x") is None
    again = Store(tmp_path / "r.sqlite")
    assert again.visitor(cookie) == "ada", "a restart asks nobody to sign in again"
    fresh = store.links(["ada", "ben"], renew=True)
    assert fresh["ada"] != links["ada"] and store.enter(links["ada"]) is None and store.visitor(cookie) is None
    assert cookie.encode() not in (tmp_path / "r.sqlite").read_bytes() + (tmp_path / "r.sqlite-wal").read_bytes()


def test_a_database_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "r.sqlite"
    store = Store(path)
    for k in range(200):
        store.act("ada", f"i{k}", Action("comment", "s", "x" * 500, f"click-{k:04}", 0))
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EhrbenchError, match="damaged"):
        Store(path)
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with pytest.raises(EhrbenchError, match="damaged"):
        Store(path)
    path.write_bytes(whole)
    holder = sqlite3.connect(path, isolation_level=None)
    store = Store(path)
    store._db.execute("PRAGMA busy_timeout = 50")
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(EhrbenchError, match="another program holds it"):
        store.act("ada", "i0", Action("comment", "s", "y", "click-9999", 1))
    holder.execute("ROLLBACK")
    assert store.work("ada", "i0").version == 1, "nothing was lost, nothing was changed"
    store._db.execute("PRAGMA max_page_count = 1")
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(EhrbenchError, match="no space is left"):
        store.act("ada", "i0", Action("comment", "s", "z" * 200_000, "click-9998", 1))
    assert store.work("ada", "i0").state == {"comment": {"s": "x" * 500}}
    store._db.execute("PRAGMA query_only = 1")
    with pytest.raises(EhrbenchError, match="cannot be written"):
        store.act("ada", "i0", Action("comment", "s", "z", "click-9997", 1))


def _study(mode: str, **more: Any) -> Study:
    systems = [{"name": s, "folder": s, "config_hash": s, "answers_hash": s} for s in ("s1", "s2", "s3")]
    base = {"title": "t", "task": "t", "data_dir": "d", "data_hash": "h", "policy": "open", "mode": mode, "systems": systems}
    return Study.model_validate({**base, "raters": [{"name": "ada"}], "assignments": {"i": ["ada"]}, **more})


LETTERS = {"A": "s2", "B": "s1", "C": "s3"}


def test_what_is_missing_is_said_in_letters() -> None:
    rank = _study("rank")
    assert missing(rank, {}, LETTERS) == ["correct or not: A, B, C", "rank: A, B, C"]
    state = {"correct": {"s1": False, "s2": True, "s3": True}, "rank": {"s1": 1, "s3": 1}}
    assert missing(rank, state, LETTERS) == ["why not correct: B", "rank: A"]
    assert missing(rank, {"whole": {"": "cannot_judge"}}, LETTERS) == []
    assert missing(_study("pairs"), {"prefer": {pair_key("s1", "s2"): "s1"}}, LETTERS) == ["2 pairs are not compared yet"]


def test_ranks_follow_from_what_each_mode_asks() -> None:
    systems = ["s1", "s2", "s3"]
    assert ranks(_study("rank"), {"rank": {"s1": 3, "s2": 1, "s3": 3}}, systems) == {"s1": 2.5, "s2": 1, "s3": 2.5}
    assert ranks(_study("correct"), {"correct": {"s1": True, "s2": False}}, systems) == {"s1": 1, "s2": 2}
    prefer = {pair_key("s1", "s2"): "s2", pair_key("s1", "s3"): "s1", pair_key("s2", "s3"): "tie"}
    assert ranks(_study("pairs"), {"prefer": prefer}, systems) == {"s2": 1, "s1": 2, "s3": 3}
    likert = _study("likert", scale={"questions": [{"id": "a", "text": "A"}, {"id": "b", "text": "B"}]})
    state = {"scale:a": {"s1": 5, "s2": 3, "s3": 1}, "scale:b": {"s1": 1, "s2": 3, "s3": 1}}
    assert ranks(likert, state, systems) == {"s1": 1.5, "s2": 1.5, "s3": 3}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rank", 0),
        ("rank", 4),
        ("rank", True),
        ("rank", "1"),
        ("correct", 1),
        ("reasons", ["no"]),
        ("prefer", "A"),
        ("whole", "x"),
    ]
    + [("tags", "unsafe"), ("comment", "x" * 5001), ("scale:useful", 3), ("nothing", 1)],
)
def test_answers_that_the_study_does_not_have_are_refused(field: str, value: Any) -> None:
    with pytest.raises(UsageError):
        checked(_study("rank"), field, value)


def test_a_plan_that_contradicts_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="ehrbench rate plan"):
        read_study(tmp_path)
    (tmp_path / "study.yaml").write_text("a: [")
    with pytest.raises(UsageError, match="line 1: not YAML"):
        read_study(tmp_path)
    with pytest.raises(ValueError, match="'bob', who is not among the raters"):
        _study("rank", assignments={"i": ["bob"]})
    with pytest.raises(ValueError, match="rater 'ada' is there twice"):
        _study("rank", raters=[{"name": "ada"}, {"name": "ada"}])


def _rate(store: Store, study: Study, quality: dict[str, float], noise: float = 0.0) -> None:
    """Raters who know the systems' order and err by chance."""
    rng = random.Random(3)
    for item, readers in study.assignments.items():
        for rater in readers:
            mark = {s.name: quality[s.name] + rng.gauss(0, noise) for s in study.systems}
            clicks: list[tuple[str, str, Any]] = []
            for system in mark:
                clicks.append(("rank", system, 1 + sum(other > mark[system] for other in mark.values())))
                clicks.append(("correct", system, mark[system] > 0))
                clicks += [("reasons", system, ["does_not_address"])] if mark[system] <= 0 else []
            for k, (field, subject, value) in enumerate([*clicks, ("done", "", True)]):
                store.act(rater, item, Action(field, subject, value, f"{item}-{k:08}", k, 2.0))


def test_four_raters_with_known_preferences_recover_the_ranking(runs: list[RunFolder], tmp_path: Path) -> None:
    folder = tmp_path / "study"
    raters = tuple(Rater(name=f"rater {k}") for k in range(4))
    study = make_study(runs, folder, raters, overlap=10, readers=3)
    truth = {s.name: 1.5 - 0.6 * k for k, s in enumerate(study.systems)}
    with open_study(folder) as opened:
        _rate(opened.store, study, truth, noise=0.5)
        collected = exporting.collect(study, opened.material, opened.store.all_work())
        table = exporting.ratings_csv(study, collected.judgements)
        assert table == exporting.ratings_csv(
            study, exporting.collect(study, opened.material, opened.store.all_work()).judgements
        )
        spec = opened.material.task.data
        root = locate(spec, "sample")
        exporting.layout_writer(spec.reader)(root, tmp_path / "own", collected.judgements)
    path = exporting.write_private(tmp_path / "ratings.csv", table)
    assert path.stat().st_mode & 0o777 == 0o600
    rankings = read_ratings(path)
    report = human_stats(rankings, Options())
    assert [s.name for s in report.systems] == sorted(truth, key=lambda name: -truth[name])
    assert (report.n_items, report.n_raters, report.n_repeated) == (44, 4, 10)
    release = read_release(locate(spec, str(tmp_path / "own")))
    again = human_stats(release.rankings, Options())
    assert [(s.name, s.correct, s.mean_rank, s.win_rates) for s in again.systems] == [
        (s.name, s.correct, s.mean_rank, s.win_rates) for s in report.systems
    ]
    assert again.inter_rater == report.inter_rater
    assert np.array_equal(exporting.rankings_of(study, collected.judgements).ranks, rankings.ranks)


def test_the_table_holds_no_text(runs: list[RunFolder], tmp_path: Path) -> None:
    study = make_study(runs, tmp_path / "study", items=4)
    with open_study(tmp_path / "study") as opened:
        _rate(opened.store, study, {s.name: float(k) for k, s in enumerate(study.systems)})
        item = next(iter(study.assignments))
        rater = study.assignments[item][0]
        version = opened.store.work(rater, item).version
        opened.store.act(rater, item, Action("comment", study.systems[0].name, "secret remark", "click-final", version))
        collected = exporting.collect(study, opened.material, opened.store.all_work())
        table = exporting.ratings_csv(study, collected.judgements)
        assert "secret remark" not in table
        groups = {i.group for i in opened.material.items.values()}
        assert not any(group in table for group in groups if group)
        assert "secret remark" in exporting.as_lines(exporting.details(study, opened.store))


def test_a_run_that_changed_since_the_plan_is_refused(runs: list[RunFolder], results: Path, tmp_path: Path) -> None:
    copied = tmp_path / "results"
    shutil.copytree(results, copied)
    from ehrbench.scoring.loaded import find_runs

    study = make_study(find_runs([copied]), tmp_path / "study", items=5)
    changed = find_runs([copied])[0]
    text = changed.predictions.read_text()
    changed.predictions.write_text(text.replace('"answer":"', '"answer":"Changed. '))
    with pytest.raises(UsageError, match=r"the answers of '.*' in .* are not those of the plan"):
        load_material(tmp_path / "study", study)
    changed.predictions.write_text(text)
    assert load_material(tmp_path / "study", study)


def test_a_plan_edited_after_the_first_rating_is_refused(runs: list[RunFolder], tmp_path: Path) -> None:
    folder = tmp_path / "study"
    study = make_study(runs, folder, items=3)
    path = folder / "study.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))
    with open_study(folder):
        pass
    path.write_text(path.read_text().replace("seed: 1", "seed: 0"))
    with open_study(folder) as opened:
        _rate(opened.store, study, {s.name: float(k) for k, s in enumerate(study.systems)})
    path.write_text(path.read_text().replace("title: MedAlign", "title: Another title"))
    with open_study(folder):
        pass
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))
    with pytest.raises(UsageError, match="restore it, or plan a new study"), open_study(folder):
        pass


def test_runs_that_do_not_belong_together_are_refused(runs: list[RunFolder], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="both runs of"):
        make_study([runs[0], runs[0]], tmp_path / "study")
    with pytest.raises(UsageError, match="2 to 26 runs"):
        make_study(runs[:1], tmp_path / "study")


@pytest.mark.parametrize(("key", "said"), [("task", "are of different tasks"), ("data_hash", "are of different data")])
def test_runs_of_different_tasks_or_releases_are_refused(
    runs: list[RunFolder], results: Path, tmp_path: Path, key: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ehrbench.workbench.rate import answers

    def load(folder: RunFolder, data_dir: str | None) -> LoadedRun:
        run = load_run(folder, data_dir)
        if folder is runs[1]:
            run.manifest["config"][key] = "another"
        return run

    monkeypatch.setattr(answers, "load_run", load)
    with pytest.raises(UsageError, match=f"{said}; give runs on the same items"):
        make_study(runs, tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_study_whose_data_are_not_on_this_machine_says_where_they_are_looked_for(runs: list[RunFolder], tmp_path: Path) -> None:
    study = make_study(runs, tmp_path / "study", items=3)
    gone = study.model_copy(update={"data_dir": str(tmp_path / "gone")})
    with pytest.raises(EhrbenchError, match="gone"):
        load_material(tmp_path / "study", gone)


def test_the_power_statement_is_that_of_a_simulation_item_by_item() -> None:
    """Written independently: verdicts drawn item by item, ranks by sorting, tests spelled out."""
    rng = np.random.default_rng(11)
    items, studies = 150, 1_500
    found = detectable_share(Design(items, 6))
    assert found.difference is not None

    def mcnemar(difference: float) -> float:
        from statistics import NormalDist

        hits = 0
        cut = [NormalDist().inv_cdf(BASE + difference), NormalDist().inv_cdf(BASE)]
        for _ in range(studies):
            shared = rng.standard_normal(items)
            own = rng.standard_normal((2, items))
            right = [SHARED**0.5 * shared + (1 - SHARED) ** 0.5 * own[k] < cut[k] for k in range(2)]
            said = [r ^ (rng.random(items) < ERROR) for r in right]
            b, c = int((said[0] & ~said[1]).sum()), int((~said[0] & said[1]).sum())
            hits += b + c > 0 and (b - c) ** 2 / (b + c) > 1.96**2
        return hits / studies

    # Three standard errors of both simulations.
    assert abs(mcnemar(found.difference) - verdict_power(found.difference, items)) < 3 * (0.16 / studies + 0.16 / 4000) ** 0.5
    assert abs(mcnemar(0.0) - 0.05) < 0.02

    shift, systems = 0.35, 5
    power, mean = rank_power(shift, items, systems)
    hits, differences = 0, []
    for _ in range(studies):
        quality = rng.standard_normal((items, systems))
        quality[:, 0] += shift
        place = np.array([[1 + sum(other > one for other in row) for one in row[:2]] for row in quality])
        d = place[:, 1] - place[:, 0]
        differences.append(d.mean())
        hits += abs(d.mean()) / (d.std(ddof=1) / items**0.5) > 1.96
    assert abs(hits / studies - power) < 3 * (0.25 / studies + 0.25 / 4000) ** 0.5
    assert abs(np.mean(differences) - mean) < 0.05
    assert detectable_rank(Design(5, 6)).difference is None or detectable_rank(Design(5, 6)).difference > 1


def test_items_that_cannot_be_judged_are_counted_and_hold_no_judgement(runs: list[RunFolder], tmp_path: Path) -> None:
    study = make_study(runs, tmp_path / "study", items=3)
    items = list(study.assignments)
    with open_study(tmp_path / "study") as opened:
        _rate(opened.store, study, {s.name: float(k) for k, s in enumerate(study.systems)})
        rater = study.assignments[items[0]][0]
        version = opened.store.work(rater, items[0]).version
        opened.store.act(rater, items[0], Action("whole", "", "record_mismatch", "click-whole", version))
        collected = exporting.collect(study, opened.material, opened.store.all_work())
    assert {j.item for j in collected.judgements} == set(items[1:])
    assert collected.notes == ("“The record does not fit the instruction”, without a judgement of the answers: 1 reading",)


def test_a_system_without_an_answer_is_said_when_planning(runs: list[RunFolder], results: Path, tmp_path: Path) -> None:
    from ehrbench.scoring.loaded import find_runs
    from ehrbench.workbench.rate.plan import plan_study

    copied = tmp_path / "results"
    shutil.copytree(results, copied)
    first = find_runs([copied])[0]
    rows = first.predictions.read_text().splitlines()
    rows[0] = json.dumps({**json.loads(rows[0]), "outcome": "api_error", "answer": None})
    first.predictions.write_text("\n".join(rows) + "\n")
    planned = plan_study(find_runs([copied]), RATERS, Wish(), tmp_path / "study", None)
    assert "'alder-13b' gave no answer to 1 of 44 items; raters are told so in the answer's place" in planned.notes


def test_serving_colleagues_without_certificate_or_approval_ends_with_4(runs: list[RunFolder], tmp_path: Path) -> None:
    make_study(runs, tmp_path / "study", items=3)
    served = Command("rate", "serve", tmp_path / "study", "--listen", "ward.example:8443")
    _, errors = served.process.communicate(timeout=60)
    assert served.process.returncode == 4
    assert "give a certificate" in errors
    key = tmp_path / "key.pem"
    key.write_text("")
    more = ("--listen", "ward.example:8443", "--tls-cert", key, "--tls-key", key)
    served = Command("rate", "serve", tmp_path / "study", *more)
    _, errors = served.process.communicate(timeout=60)
    assert served.process.returncode == 4
    assert "ehrbench approve https://ward.example:8443 --tasks medalign" in errors
