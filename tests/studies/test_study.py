"""The study file: what it makes of a grid, what it refuses and where; cells that leave each other alone; tables in four forms."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import ehrbench
from ehrbench import Study
from ehrbench.models.loading import load_model
from ehrbench.models.words import WordTokenizer
from ehrbench.runs.events import ItemFinished
from ehrbench.studies import running
from ehrbench.studies.figure import Row, dots
from ehrbench.studies.tables import Table, csv, file_names, html, latex, markdown
from tests.acceptance.chart import ehrbench as command
from tests.acceptance.chart import rows, write_release
from tests.conftest import ROOT

HEAD = "study: small\ndata_dir: sample\nreport: {leaderboard: false}\nsettings: {limit: 3}\n"
TWO = HEAD + "models: {bm25: baseline:bm25, newest: baseline:newest}\n"


def study(folder: Path, text: str) -> Study:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return Study.load(path)


def test_the_example_is_the_one_on_the_page_and_runs(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "study.yaml").read_text(encoding="utf-8")
    assert f"```yaml\n{text}```" in (ROOT / "docs" / "studies.md").read_text(encoding="utf-8")
    example = Study.load(ROOT / "examples" / "study.yaml", out=tmp_path / "out")
    assert len(example.cells) == 19
    assert Counter(one.state for one in example.run()) == {"done": 19}
    report = example.report()
    assert [table.name for table in report.tables] == [
        *("windows", "risk", "facts", "windows-medalign-clean-differences"),
        *(f"windows-medalign-clean-revisions-{model}-refine-2k" for model in ("bm25", "newest")),
        "bm25-vs-newest",
    ]
    assert all(path.is_file() for path in report.files)
    assert (tmp_path / "out" / "report" / "leaderboard" / "index.html").is_file()
    assert r"\toprule" in (tmp_path / "out" / "report" / "windows.tex").read_text(encoding="utf-8")


def test_settings_nearer_to_a_cell_win_and_lists_are_crossed(tmp_path: Path) -> None:
    made = study(
        tmp_path,
        HEAD
        + """
models:
  a: {model: baseline:bm25, settings: {max_tokens: 20}}
  b: baseline:newest
questions:
  one:
    tasks: medalign
    settings: {seed: 3, max_tokens: [10, null]}
    grid: [{seed: [1, 2]}, {}]
  two: {tasks: medalign, models: a}
""",
    )
    of = [(cell.model, cell.settings.get("seed"), cell.settings.get("max_tokens")) for cell in made.cells]
    assert Counter(of) == Counter([*((m, s, t) for m in "ab" for s in (1, 2, 3) for t in (10, None)), ("a", None, 20)])
    assert {cell.settings["limit"] for cell in made.cells} == {3}
    assert len({cell.id for cell in made.cells}) == 13


def test_a_cell_of_two_questions_is_run_once_with_the_metrics_of_both(tmp_path: Path) -> None:
    made = study(
        tmp_path,
        TWO
        + "questions:\n  own: {tasks: medalign, models: bm25}\n  named: {tasks: medalign, models: bm25, metrics: [rouge_1]}\n",
    )
    answers: list[Any] = []
    made.run(on_event=lambda event: answers.append(event) if isinstance(event, ItemFinished) else None)
    assert len(made.cells) == 1 and len(answers) == 3
    own, named = made.report().tables
    assert "METEOR" in own.header
    assert named.header[:2] == ["model", "ROUGE-1"] and named.rows[0][1]


def counting(model: Any) -> Any:
    """A baseline that can count its window."""
    model.tokenizer = WordTokenizer()
    return model


def test_each_model_is_loaded_once_and_a_done_study_loads_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[str, int | None]] = []

    def load(spec: str, args: Any, window: int | None) -> Any:
        loaded.append((spec, window))
        return counting(load_model(spec, args, window))

    monkeypatch.setattr(running, "load_model", load)
    text = TWO + "questions:\n  q: {tasks: medalign, settings: {max_model_len: [2048, 8192]}, metrics: rouge_l}\n"
    study(tmp_path, text).run()
    assert loaded == [("baseline:bm25", 8192), ("baseline:newest", 8192)]
    study(tmp_path, text).run()
    assert len(loaded) == 2
    study(tmp_path, text.replace("2048, 8192", "2048, 8192, 4096")).run()
    assert loaded[2:] == [("baseline:bm25", 4096), ("baseline:newest", 4096)], "only the new cells"
    study(tmp_path, text).run(recheck=True)
    assert len(loaded) == 6


def test_a_window_beyond_the_models_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(spec: str, args: Any, window: int | None) -> Any:
        if window is not None and window > 4096:
            raise ehrbench.UsageError(f"{window} is more than the 4096 tokens")
        return counting(load_model(spec, args, window))

    monkeypatch.setattr(running, "load_model", load)
    made = study(
        tmp_path,
        TWO + "questions:\n  q: {tasks: medalign, models: bm25, settings: {max_model_len: [8192, 4096]}, metrics: rouge_l}\n",
    )
    assert [(one.state, one.said) for one in made.run()] == [("failed", "8192 is more than the 4096 tokens"), ("done", "")]
    (table,) = made.report().tables
    assert [row[-1] for row in table.rows] == ["(failed)", "3"]
    assert "medalign, bm25, limit 3, max_model_len 8192: failed: 8192 is more than the 4096 tokens" in table.notes


def test_cells_without_data_or_that_break_leave_the_others_alone(tmp_path: Path) -> None:
    write_release(tmp_path / "data", patients=1, questions=2, entries=2)
    (tmp_path / "answers.jsonl").write_text("{not json\n")
    made = study(
        tmp_path,
        "study: s\ndata_dir: data\nreport: {leaderboard: false}\n"
        f"models: {{bm25: baseline:bm25, bad: 'replay:{tmp_path}/answers.jsonl'}}\n"
        "questions:\n  q: {tasks: [medalign, meds_bench.fact_verification.pubmedqa], metrics: [rouge_l]}\n",
    )
    states = {(one.model, one.task): one for one in made.run()}
    assert states["bm25", "medalign"].state == "done"
    assert states["bm25", "meds_bench.fact_verification.pubmedqa"].state == "waiting"
    assert states["bad", "medalign"].state in ("failed", "waiting") and "answers.jsonl" in states["bad", "medalign"].said
    assert made.status() == made.run()
    files = [path for path in made.report().files if path.suffix != ".svg"]
    assert all(str(tmp_path) not in path.read_text(encoding="utf-8") for path in files), "no folder of this machine"
    assert "answers.jsonl" in (made.out / "report" / "q.md").read_text(encoding="utf-8")
    shown = command("study", "run", tmp_path / "study.yaml", "--quiet", home=tmp_path / "home")
    assert shown.returncode == 5 and "waiting" in shown.stdout


def test_a_remote_model_of_credentialed_data_waits_for_its_approval(tmp_path: Path) -> None:
    write_release(tmp_path / "data", patients=1, questions=2, entries=2)
    served = "args: {base_url: 'https://models.example.org/v1'}"
    made = study(
        tmp_path,
        "study: s\ndata_dir: data\nquestions: {q: {tasks: medalign, metrics: rouge_l}}\n"
        f"models:\n  far: {{model: 'openai:x', {served}}}\n  bm25: baseline:bm25\n"
        f"judges:\n  by_far: {{model: 'openai:y', {served}, reference: bm25}}\n"
        f"  of_far: {{model: 'openai:y', {served}, reference: far}}\n",
    )
    states = {(one.model, one.judge): one for one in made.run()}
    assert states["bm25", ""].state == "done"
    assert states["far", ""].state == "waiting" and "ehrbench approve https://models.example.org" in states["far", ""].said
    assert states["far", "by_far"].said == "the run to be judged is not there yet"
    assert states["bm25", "of_far"].said == "the reference 'far' has not been run here yet"


def test_a_dry_run_sums_what_the_run_takes(tmp_path: Path) -> None:
    study(
        tmp_path, TWO + "questions:\n  q: {tasks: medalign, settings: {budget_tokenizer: words, max_model_len: [2048, 4096]}}\n"
    )
    shown = command("study", "run", tmp_path / "study.yaml", "--dry-run", "--json", home=tmp_path / "home")
    total = json.loads(shown.stdout)["total"]
    assert (total["cells"], total["items"], total["calls"]) == (4, 12, 12)
    assert not (tmp_path / "small").exists(), "nothing is written"
    assert "4 of 4 cells: 12 items, 12 calls" in command("study", "run", tmp_path / "study.yaml", "--dry-run").stdout


ONE = "study: x\nmodels: {a: baseline:bm25}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "study.yaml:1: expected a study"),
        (
            ONE + "questions:\n  q: {tasks: medalign, settngs: {}}\n",
            "study.yaml:4: unknown key 'settngs' (did you mean 'settings'?)",
        ),
        (
            "study: x\nmodels:\n  a: baseline:bm25\n  a: baseline:newest\nquestions: {}",
            "study.yaml:4: key 'a' is given twice, first in line 3",
        ),
        (
            "study: x\nmodels:\n  a: baseline:bm25\n  b: baseline:bm25\nquestions: {q: {tasks: medalign}}",
            "study.yaml:4: 'b' is the model 'a' again",
        ),
        (
            "study: x\nmodels:\n  a: baseline:bm25\n  A: baseline:newest\nquestions: {q: {tasks: medalign}}",
            "study.yaml:4: models 'a' and 'A' differ in case only",
        ),
        (ONE + "questions:\n  q:\n    tasks: medalign\n    models: [a, z]\n", "study.yaml:6: unknown model of this study 'z'"),
        (ONE + "questions:\n  q: {tasks: medalgn}\n", "study.yaml:4: unknown task or group 'medalgn' (did you mean 'medalign'?)"),
        (
            ONE + "questions:\n  q:\n    tasks: medalign\n    metrics: rogue_l\n",
            "study.yaml:6: unknown metric 'rogue_l' (did you mean 'rouge_l'",
        ),
        (
            ONE + "questions:\n  q:\n    tasks: meds_bench.fact_verification.pubmedqa\n    grid:\n      - {context: refine}\n",
            "study.yaml:7: task 'meds_bench.fact_verification.pubmedqa' has no records, so --context refine means nothing for it",
        ),
        (ONE + "questions:\n  q: {tasks: medalign, settings: {temperature: -1}}\n", "study.yaml:4: --temperature: expected"),
        (
            ONE + "questions:\n  q: {tasks: medalign, settings: {context: squeeze}}\n",
            "study.yaml:4: expected 'truncate', 'refine'",
        ),
        (
            ONE.replace("baseline:bm25", "'baseline:'") + "questions:\n  q: {tasks: medalign}\n",
            "study.yaml:2: --model baseline:: nothing after the colon",
        ),
        (
            ONE
            + "questions:\n  q:\n    tasks: medalign\n"
            + f"    settings: {{seed: {list(range(1000))}, limit: {list(range(1, 1001))}}}\n",
            "study.yaml:4: the study has 1,000,000 cells and more; the most is 10,000",
        ),
        (
            "study: x\nmodels: {a: baseline:bm25, b: baseline:newest}\nquestions: {q: {tasks: medalign}}\n"
            "judges:\n  j:\n    reference: b\n    model: baseline:bm25\n",
            "study.yaml:7: judge 'j' is also a candidate ('a') and would judge itself",
        ),
        (
            ONE + "questions: {q: {tasks: medalign}}\ncomparisons:\n  - {a: a, b: a}\n",
            "study.yaml:5: 'a' is compared with itself",
        ),
        (
            ONE.replace("study: x", "study: ../x") + "questions: {q: {tasks: medalign}}\n",
            "study.yaml:1: expected text that matches",
        ),
    ],
    ids=[
        "no study",
        "an unknown key",
        "two models with one name",
        "one model with two names",
        "two models that differ in case",
        "a model that is not there",
        "an unknown task",
        "an unknown metric",
        "a setting that a task cannot take",
        "a value out of its range",
        "an unknown word",
        "a model without a name",
        "a grid of a million cells",
        "a judge that is also a candidate",
        "a model compared with itself",
        "a name that is no file's",
    ],
)
def test_a_faulty_file_is_refused_with_its_line_and_nothing_is_written(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(ehrbench.UsageError) as caught:
        study(tmp_path, text)
    assert expected in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_two_processes_do_not_run_one_study(tmp_path: Path) -> None:
    made = study(tmp_path, TWO + "questions: {q: {tasks: medalign, metrics: rouge_l}}\n")
    with running._locked(made), pytest.raises(ehrbench.UsageError, match="another process runs the study"):
        made.run()


def test_a_report_before_the_first_result_says_what_to_do(tmp_path: Path) -> None:
    made = study(tmp_path, TWO + "questions: {q: {tasks: medalign}}\n")
    with pytest.raises(ehrbench.MissingError, match="no cell of .* is scored yet; `ehrbench study run"):
        made.report()
    with pytest.raises(ehrbench.MissingError, match="no cell of .* is scored yet"):
        made.results()
    assert {one.state for one in made.status()} == {"open"}
    assert not made.out.exists()


def test_the_two_protocols_have_a_table_each(tmp_path: Path) -> None:
    made = study(
        tmp_path,
        TWO + "questions: {q: {tasks: medalign, models: bm25, settings: {protocol: [clean, paper]}, metrics: rouge_l}}\n",
    )
    made.run()
    assert [(table.name, len(table.rows)) for table in made.report().tables] == [("q", 1), ("q-paper", 1)]


def test_the_records_of_the_files_hold_no_text_of_an_item(tmp_path: Path) -> None:
    made = study(tmp_path, TWO + "questions: {q: {tasks: medalign, models: bm25, metrics: rouge_l}}\n")
    made.run()
    (run,) = (made.out / "runs").glob("*/*/*/private/predictions.jsonl")
    answers = [row["answer"] for row in rows(run)]
    made.report()
    files = [*(made.out / "cells").iterdir(), *(path for path in (made.out / "report").iterdir() if path.is_file())]
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not any(answer and answer in text for answer in answers), path


TABLE = Table(
    "t",
    "50 % & more_of <it>",
    ["model", "A|B"],
    [["a_b|c<d>", "0.5 [0.1, 0.9]!"], ["=1+1", ""]],
    frozenset({1}),
    ["! few & far"],
    (["model", "value"], [["=1+1", 0.123456789]]),
)


def test_every_form_of_a_table_writes_its_own_signs_out() -> None:
    assert r"| a\_b\|c\<d> | 0.5 \[0.1, 0.9]! |" in markdown(TABLE)
    written = latex(TABLE)
    assert (
        r"a\_b|c\textless{}d\textgreater{} & 0.5 [0.1, 0.9]! \\" in written
        and r"\caption{50 \% \& more\_of \textless{}it\textgreater{}}" in written
    )
    assert written.count("{") == written.count("}")
    assert csv(TABLE) == "model,value\n'=1+1,0.123456789\n"
    assert "<td>a_b|c&lt;d&gt;</td>" in html(TABLE) and "<it>" not in html(TABLE)


def test_paths_lose_their_folders_and_addresses_do_not() -> None:
    text = "see /data/x/answers.jsonl and '/models/a/b', https://host/a/b, 3/4 and a / b"
    assert file_names(text) == "see answers.jsonl and 'b', https://host/a/b, 3/4 and a / b"


def test_a_figure_is_an_svg_of_its_own() -> None:
    from xml.etree import ElementTree

    picture = ElementTree.fromstring(dots("a & b", [Row("<m>", 0.5, 0.4, 0.6), Row("n", 0.5, None, None)]))
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(picture.findall(".//{*}circle")) == 2


def test_the_schema_takes_the_example_and_is_where_the_page_says() -> None:
    from ehrbench.studies.schema import json_schema

    schema = json_schema()
    assert {"study", "models", "questions"} <= set(schema["required"])
    assert re.search(r'"string"', json.dumps(schema["$defs"]["ModelEntry"]["anyOf"][0]))
    assert json.loads((ROOT / "docs" / "reference" / "study.schema.json").read_text(encoding="utf-8")) == schema
    assert json.loads(command("study", "schema").stdout) == schema


REPEATED = (
    TWO.replace("limit: 3", "limit: 4")
    + """questions:
  sampled: {tasks: medalign, models: bm25, settings: {seeds: [0, 1, 2], temperature: [0.7, 0]}, metrics: rouge_l}
  shots: {tasks: meds_bench.fact_verification.pubmedqa, models: bm25, settings: {seeds: [5, 6], num_fewshot: 2}}
  rows: {tasks: medalign, models: bm25, settings: {seed: [0, 1], temperature: 0.7}, metrics: rouge_l}
"""
)


def test_seeds_make_one_row_of_means_and_share_their_runs_with_rows_of_each(tmp_path: Path) -> None:
    made = study(tmp_path, REPEATED)
    assert len(made.cells) == 4 + 2, "three sampled, one greedy, two with examples of their own"
    assert {one.state for one in made.run()} == {"done"}
    sampled, shots, each = made.report().tables
    assert sampled.header[:3] == ["model", "temperature", "seeds"]
    assert [row[:3] for row in sampled.rows] == [["bm25", "0.7", "0, 1, 2"], ["bm25", "0.0", "0"]]
    assert len(shots.rows) == 1 and [row[1] for row in each.rows] == ["0", "1"]
    assert any("repeats give the same answers: only seed 0 is run" in note for note in sampled.notes)
    assert any("means over the seeds, with intervals over items and seeds" in note for note in sampled.notes)
    header, records = shots.records
    found = dict(zip(header, records[0], strict=True))
    singles = [one for one in made.results() if one.task == shots.records[1][0][1]]
    assert found["value"] == pytest.approx(sum(one.metric(str(found["metric"])).value for one in singles) / 2)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("{seed: 1, seeds: [0, 1]}", "study.yaml:4: seed and seeds exclude each other"),
        ("{seeds: [1, 1]}", "study.yaml:4: seeds: one is given twice"),
    ],
)
def test_faulty_seeds_are_named_with_their_line(tmp_path: Path, settings: str, expected: str) -> None:
    with pytest.raises(ehrbench.UsageError) as caught:
        study(tmp_path, ONE + f"questions:\n  q: {{tasks: medalign, settings: {settings}}}\n")
    assert expected in str(caught.value)


def test_a_question_with_all_tasks_of_a_group_has_its_averages(tmp_path: Path) -> None:
    made = study(
        tmp_path,
        TWO
        + "questions:\n"
        + "  all: {tasks: meds_bench.mcqa, settings: {num_fewshot: [0, 1]}}\n"
        + "  some: {tasks: [meds_bench.mcqa.medqa, meds_bench.mcqa.pubmedqa]}\n",
    )
    assert {one.state for one in made.run()} == {"done"}
    tables = {table.name: table for table in made.report().tables}
    assert set(tables) == {"all", "all-groups", "some"}, "no average of a part of a group"
    found = tables["all-groups"]
    assert found.header[:3] == ["group", "model", "num fewshot"] and len(found.rows) == 4
    single = ehrbench.evaluate(
        "baseline:bm25", "meds_bench.mcqa", data_dir="sample", limit=3, num_fewshot=1, out=tmp_path / "single"
    )
    (group,) = [group for group in single.groups if group.group == "meds_bench.mcqa"]
    header, records = found.records
    (row,) = [dict(zip(header, row, strict=True)) for row in records if row[:2] == ["bm25", "1"]]
    score = group.scores[0]
    assert (row["value"], row["low"], row["high"]) == (score.value, score.low, score.high)
    assert (row["tasks"], row["items"]) == (group.n_tasks, group.n_items)


def test_averages_of_a_group_are_over_all_seeds_of_a_question(tmp_path: Path) -> None:
    made = study(
        tmp_path,
        TWO + "questions:\n  all: {tasks: meds_bench.mcqa, models: bm25, settings: {num_fewshot: 1, seeds: [0, 1]}}\n",
    )
    assert {one.state for one in made.run()} == {"done"}
    (found,) = [table for table in made.report().tables if table.name == "all-groups"]
    assert found.header[:2] == ["group", "model"] and len(found.rows) == 1
    assert "of tasks under several seeds: means over the seeds, with intervals over items and seeds" in found.notes
    both = ehrbench.evaluate(
        "baseline:bm25", "meds_bench.mcqa", data_dir="sample", limit=3, num_fewshot=1, seeds=(0, 1), out=tmp_path / "both"
    )
    (score,) = [group.scores[0] for group in both.groups if group.group == "meds_bench.mcqa"]
    header, records = found.records
    row = dict(zip(header, records[0], strict=True))
    assert (row["value"], row["low"], row["high"]) == (score.value, score.low, score.high)
    assert score.value == pytest.approx(sum(one.metric(one.primary).value for one in both) / len(both))


def test_a_missing_extra_leaves_its_cells_waiting_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    made = study(
        tmp_path,
        HEAD + "models: {bridge: 'lm-eval:hf', bm25: baseline:bm25}\nquestions: {q: {tasks: medalign, metrics: rouge_l}}\n",
    )
    states = {one.model: one for one in made.run()}
    assert states["bm25"].state == "done"
    assert (states["bridge"].state, states["bridge"].said) == (
        "waiting",
        "lm-eval is not installed: pip install 'ehrbench[lm-eval]'",
    )
    assert not list((made.out / "runs").glob("*lm-eval*")), "nothing half-written"


def test_a_hub_id_that_is_not_in_the_cache_leaves_its_cells_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    made = study(
        tmp_path,
        HEAD + "models: {far: 'hf:nobody/nothing', bm25: baseline:bm25}\nquestions: {q: {tasks: medalign, metrics: rouge_l}}\n",
    )
    states = {one.model: one for one in made.run()}
    assert states["bm25"].state == "done" and states["far"].state == "waiting"
    assert "nobody/nothing" in states["far"].said and "\n" not in states["far"].said


def test_each_combination_of_other_settings_has_a_sweep_of_its_own_and_of_repeats_the_first_seed(tmp_path: Path) -> None:
    windows = "budget_tokenizer: words, max_model_len: [2048, 4096]"
    made = study(
        tmp_path,
        HEAD
        + "models: {bm25: baseline:bm25}\nquestions:\n"
        + f"  rows: {{tasks: medalign, metrics: rouge_l, settings: {{{windows}, seed: [0, 1]}}}}\n"
        + f"  means: {{tasks: medalign, metrics: rouge_l, settings: {{{windows}, temperature: 0.5, seeds: [0, 1]}}}}\n",
    )
    assert {one.state for one in made.run()} == {"done"}
    report = made.report()
    assert [table.name for table in report.tables if "differences" in table.name] == [
        "rows-medalign-clean-differences-seed-0",
        "rows-medalign-clean-differences-seed-1",
        "means-medalign-clean-differences-seed-0",
    ]
    assert (made.out / "report" / "means-medalign-clean-windows-seed-0.svg").is_file()
