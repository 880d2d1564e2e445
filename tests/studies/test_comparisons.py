"""A study's comparisons are made with the metrics that the questions show, unless they name others."""

from __future__ import annotations

from pathlib import Path

from ehrbench import Study

HEAD = (
    "study: small\ndata_dir: sample\nreport: {leaderboard: false}\nsettings: {limit: 6}\n"
    "models: {bm25: baseline:bm25, newest: baseline:newest}\n"
)


def compared(folder: Path, text: str, without: str = "") -> tuple[list[tuple[str, ...]], list[str]]:
    path = folder / "study.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    study = Study.load(path)
    study.run()
    for scores in folder.rglob("newest/**/scores.jsonl"):
        scores.write_text("".join(line for line in scores.read_text().splitlines(True) if not without or without not in line))
    table = study.report().tables[-1]
    assert table.name == "bm25-vs-newest"
    header, records = table.records
    places = [header.index(name) for name in ("task", "settings", "metric")]
    return [tuple(str(row[place]) for place in places) for row in records], list(table.notes)


def test_they_follow_the_questions_metrics(tmp_path: Path) -> None:
    found, notes = compared(
        tmp_path,
        "questions:\n"
        "  named:\n    tasks: medalign\n    settings: {budget_tokenizer: words, max_model_len: [2048, 8192]}\n"
        "    metrics: [rouge_l, google_bleu]\n"
        "  own: {tasks: mimic_instr.schema}\n"
        "comparisons: [{a: bm25, b: newest}]\n",
    )
    assert [(task, metric) for task, _, metric in found] == [
        *(("medalign", "rouge_l"), ("medalign", "google_bleu")) * 2,
        ("mimic_instr.schema", "typed_match"),
    ]
    assert ["2048" in settings for _, settings, _ in found] == [True, True, False, False, False]
    assert not any("not compared" in note for note in notes)


def test_a_comparison_may_name_others_or_some_of_the_questions(tmp_path: Path) -> None:
    questions = "questions: {a: {tasks: medalign, metrics: rouge_l}, b: {tasks: medalign, metrics: google_bleu}}\n"
    both, _ = compared(tmp_path, questions + "comparisons: [{a: bm25, b: newest}]\n")
    assert [metric for *_, metric in both] == ["rouge_l", "google_bleu"]
    one, _ = compared(tmp_path, questions + "comparisons: [{a: bm25, b: newest, questions: b}]\n")
    assert [metric for *_, metric in one] == ["google_bleu"]
    other, _ = compared(tmp_path, questions + "comparisons: [{a: bm25, b: newest, metrics: rouge_l}]\n")
    assert [metric for *_, metric in other] == ["rouge_l"]


def test_a_metric_without_scores_costs_the_others_nothing(tmp_path: Path) -> None:
    found, notes = compared(
        tmp_path,
        "questions: {a: {tasks: medalign, metrics: [google_bleu, rouge_l]}}\ncomparisons: [{a: bm25, b: newest}]\n",
        without="google_bleu",
    )
    assert [metric for *_, metric in found] == ["rouge_l"]
    assert "medalign: 'google_bleu' is not compared, for not both have item scores of it" in notes
