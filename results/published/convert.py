"""Turn transcribed tables of the papers (CSV) into the result files of this folder: ``python convert.py FOLDER``.

FOLDER holds ``medalign.csv``, ``meds-bench.csv``, ``mimic-instr.csv`` and ``ehr-bench.csv``, one printed number a row; EHRSHOT's,
from its website, stand beside this file. A percentage becomes a share where ehrbench's own metric of that name is a share, so
that both stand on one scale.
"""

from __future__ import annotations

import csv
import sys
from collections import defaultdict
from pathlib import Path

from ehrbench.results import ContextInfo, MetricResult, ModelInfo, Result, Source
from ehrbench.results.groups import AVERAGES_TRACK
from ehrbench.results.store import write_result
from ehrbench.results.supplements import Correlation, Fact, Facts, HeadToHead, HumanStats, Interval, MetricAgreement, Pair

HERE = Path(__file__).parent
JUDGE = "judge gpt-35-turbo-0125, reference gpt-4-0125-preview"
Rows = list[dict[str, str]]

NO_INTERVAL = "The paper prints no interval."
MEDALIGN = "MedAlign (Fleming et al., AAAI 2024)"
MEDS = "MedS-Bench (arXiv 2408.12547v2)"
MIMIC = "MIMIC-Instr / Llemr (NeurIPS 2024 Datasets and Benchmarks)"
EHR_R1 = "EHR-R1 / EHR-Bench (arXiv 2510.25628)"
EHRSHOT = "EHRSHOT's website (som-shahlab/ehrshot-website)"


def main(folder: Path) -> None:
    """Write every file."""
    medalign = _read(folder / "medalign.csv")
    write_result(HERE / "medalign.results.json", [*medalign_systems(medalign), *medhelm(medalign)])
    write_result(HERE / "meds_bench.results.json", meds_bench(_read(folder / "meds-bench.csv")))
    write_result(HERE / "mimic_instr.results.json", mimic_instr(_read(folder / "mimic-instr.csv")))
    write_result(HERE / "ehr_bench.results.json", ehr_bench(_read(folder / "ehr-bench.csv")))
    write_result(HERE / "ehrshot.results.json", ehrshot(_read(HERE / "ehrshot.csv")))
    for name, part in (
        ("medalign.correlation.json", medalign_correlation(medalign)),
        ("medalign.human.json", medalign_head_to_head(medalign)),
        ("medalign.facts.json", medalign_facts(medalign)),
    ):
        (HERE / name).write_text(part.model_dump_json(indent=1) + "\n", encoding="utf-8")


def medalign_systems(rows: Rows) -> list[Result]:
    """Table 3: clinicians' verdicts and ranks of six systems."""
    by_model: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for row in rows:
        if row["group"] == "human_eval":
            by_model[row["entity"]][row["metric"]] = row
    results = []
    for name, found in by_model.items():
        wilson = found["correct_wilson95"]
        window = int(found["context_tokens"]["value"])
        correct = MetricResult(
            name="correct",
            label="Correct",
            value=_share(found["correct"]["value"]),
            low=_share(wilson["ci_low"]),
            high=_share(wilson["ci_high"]),
            interval="Wilson, derived from the implied count of 303; the paper prints none",
            n=303,
            note=f"The printed percentage fits {found['correct_count']['value']} of 303 only.",
        )
        win_rate = MetricResult(
            name="win_rate",
            label="Win rate",
            value=float(found["win_rate"]["value"]),
            n=303,
            note="Averaged over the other five systems; the printed values fit tied pairs left out.",
        )
        mean_rank = MetricResult(
            name="mean_rank",
            label="Mean rank",
            value=float(found["mean_rank"]["value"]),
            n=303,
            range=(1.0, 6.0),
            higher_is_better=False,
            note="Mid-ranks: tied answers share the mean of their places.",
        )
        caveats = [f"{NO_INTERVAL} Those of % correct are Wilson intervals computed from the counts."]
        if found["context_tokens"]["note"]:
            caveats.append(_sentence(f"Context: {found['context_tokens']['note']}"))
        results.append(
            Result(
                kind="published",
                task="medalign",
                suite="medalign",
                protocol="paper",
                track="clinicians' judgement",
                model=ModelInfo(name=name, backend="published"),
                data_policy="credentialed",
                n_items=303,
                n_expected=303,
                metrics=[correct, win_rate, mean_rank],
                primary="correct",
                context=ContextInfo(policy="refine" if "(MR)" in name else "truncate", window=window),
                source=Source(title=MEDALIGN, where="Table 3"),
                caveats=caveats,
            )
        )
    return results


def medhelm(rows: Rows) -> list[Result]:
    """MedHELM's MedAlign scenario: a jury of models, on the items that fit."""
    counts = {r["entity"]: r for r in rows if r["group"] == "medhelm_medalign" and r["metric"] == "test_instances"}
    results = []
    for row in rows:
        if row["group"] != "medhelm_medalign" or row["metric"] != "jury_score":
            continue
        n = int(counts[row["entity"]]["value"])
        results.append(
            Result(
                kind="published",
                task="medalign",
                suite="medalign",
                protocol="paper",
                track="MedHELM jury",
                model=ModelInfo(name=row["entity"], backend="published"),
                data_policy="credentialed",
                n_items=n,
                n_expected=303,
                metrics=[
                    MetricResult(name="jury_score", label="Jury score", value=float(row["value"]), n=n, range=(1.0, 5.0)),
                ],
                primary="jury_score",
                source=Source(title="MedHELM v1", where="leaderboard.csv, costs.csv"),
                caveats=[
                    "A panel of three language models, not a measure of the MedAlign paper.",
                    f"{n} of 303 items were run ({counts[row['entity']]['note']}); unlike n means unlike items.",
                ],
            )
        )
    return results


def medalign_correlation(rows: Rows) -> Correlation:
    """Table 4: each metric's agreement with the clinicians' ranking."""
    metrics = []
    ceiling = None
    for row in rows:
        if row["group"] != "metric_corr" or row["metric"] != "mean_kendall_tau" or row["where"] != "Table 4":
            continue
        value, low, high = (float(row[key]) for key in ("value", "ci_low", "ci_high"))
        if row["entity"] == "Inter-Rater Reliability":
            ceiling = Interval(value=value, low=low, high=high, n=50)
        else:
            name = row["entity"].lower().replace("++", "_pp").replace("-", "_").replace(" ", "_")
            name = {"chrf_pp": "chrf_pp", "googlebleu": "google_bleu"}.get(name, name)
            metrics.append(MetricAgreement(name=name, label=row["entity"], value=value, low=low, high=high, note=row["note"]))
    return Correlation(
        task="medalign",
        suite="medalign",
        statistic="mean Kendall tau over instructions",
        interval="as printed; half-widths fit mean ± 1.96 standard errors over 303 instructions",
        n_items=303,
        n_systems=6,
        metrics=metrics,
        inter_rater=ceiling,
        source=Source(title=MEDALIGN, where="Table 4"),
        caveats=[
            "Inter-rater tau: 0.44 in the table and the text, 0.43 in the caption; over the 50 instructions with three raters.",
            "The paper names neither the variant of tau nor what it does with constant rankings.",
        ],
    )


def medalign_head_to_head(rows: Rows) -> HumanStats:
    """The two cells of Figure 2 that the text prints."""
    pairs = []
    for row in rows:
        if row["group"] == "head_to_head":
            a, b = row["entity"].split(" > ")
            pairs.append(Pair(a=a, b=b, wins=float(row["value"]), n=303))
    return HumanStats(
        task="medalign",
        suite="medalign",
        n_items=303,
        n_raters=9,
        head_to_head=[HeadToHead(judge="clinicians", label="Clinicians", pairs=pairs)],
        source=Source(title=MEDALIGN, where="text of Figure 2"),
        caveats=["The paper does not say whether “no context restriction” is GPT-4 (MR) or GPT-4 with 32k tokens."],
    )


def medalign_facts(rows: Rows) -> Facts:
    """Tables 1 and 2 and the numbers of the text."""
    groups = {
        "dataset": "Dataset",
        "category_gold": "Instructions with gold answers, by category",
        "category_all": "All instructions, by category",
        "context_effect": "Effect of the context",
        "context_fit": "Records that fit",
        "matching": "Matching of instructions and records",
        "collection": "Collection of instructions",
        "metric_corr": "Inter-rater agreement, other statements",
    }
    facts = []
    for row in rows:
        derived = row["status"] == "derived"
        if row["group"] not in groups or (row["group"] == "metric_corr" and row["where"] == "Table 4"):
            continue
        label = row["entity"] if row["group"] not in ("dataset", "metric_corr") else f"{row['entity']}: {row['metric']}"
        facts.append(
            Fact(
                group=groups[row["group"]],
                label=label.replace("_", " "),
                value=float(row["value"]),
                unit=row["unit"].replace("_", " "),
                n=int(row["n"]) if row["n"] else None,
                source=Source(
                    title=MEDALIGN if row["source"].startswith("MedAlign AAAI") else row["source"],
                    where=row["where"],
                    status="derived" if derived else "published",
                ),
                note=row["note"],
            )
        )
    return Facts(suite="medalign", facts=facts)


MEDS_TASKS: dict[tuple[str, str], tuple[str, int | None, bool]] = {
    # dataset and paper's task name: our task, items scored (spec of the release), credentialed
    ("MedQA", "MedQA MCQA (en)"): ("mcqa.medqa", 1273, False),
    ("MedMCQA", "MedMCQA MCQA"): ("mcqa.medmcqa", 4183, False),
    ("PubMedQA", "PubMedQA MCQA"): ("mcqa.pubmedqa", 1000, False),
    ("MMedBench", "MCQA Chinese"): ("mcqa.medqa_zh", 3426, False),
    ("MMedBench", "MCQA Japanese"): ("mcqa.igakuqa", 199, False),
    ("MMedBench", "MCQA French"): ("mcqa.frenchmedmcqa", 622, False),
    ("MMedBench", "MCQA Russian"): ("mcqa.rumedbench", 256, False),
    ("MMedBench", "MCQA Spanish"): ("mcqa.headqa", 2742, False),
    ("MedQSum", "Med Question"): ("text_summarization.medqsum", 100, False),
    ("RCT-Text", "Study Conclusion"): ("text_summarization.rct", 100, False),
    ("MIMIC-CXR", "X-ray"): ("text_summarization.mimic_cxr", 100, True),
    ("MIMIC-IV", "Ultrasound"): ("text_summarization.ultrasound", None, True),
    ("MIMIC-IV", "CT"): ("text_summarization.ct", None, True),
    ("MIMIC-IV", "MRI"): ("text_summarization.mri", None, True),
    ("PICO", "Participant Extraction"): ("information_extraction.participant", 43, False),
    ("PICO", "Intervention Extraction"): ("information_extraction.intervention", 43, False),
    ("PICO", "Outcome Extraction"): ("information_extraction.outcome", 43, False),
    ("ADE", "Drug Dose Extraction"): ("information_extraction.drug_dose", 23, False),
    ("PMC-Patient", "Basic Information Extraction"): ("information_extraction.basic_information", 1500, False),
    ("PUBLICHEALTH", "Health Fact Explanation"): ("explanation.health_fact", 1235, False),
    ("DO", "Do Entity Explanation"): ("explanation.disease_ontology", 1115, False),
    ("BioLORD", "BioLORD Concept Explanation"): ("explanation.biolord", None, False),
    ("MMedBench", "Rationale Chinese"): ("rationale.chinese", 200, False),
    ("MMedBench", "Rationale English"): ("rationale.english", 195, False),
    ("MMedBench", "Rationale French"): ("rationale.french", 189, False),
    ("MMedBench", "Rationale Japanese"): ("rationale.japanese", 190, False),
    ("MMedBench", "Rationale Russian"): ("rationale.russian", 173, False),
    ("MMedBench", "Rationale Spanish"): ("rationale.spanish", 189, False),
    ("BC4Chem", "Chemical Recognition"): ("ner.bc4chem", 1500, False),
    ("BC5Chem", "Chemical Recognition"): ("ner.bc5chem", 1500, False),
    ("BC5Disease", "Disease Recognition"): ("ner.bc5disease", 1500, False),
    ("Species800", "Organism Recognition"): ("ner.species800", 1500, False),
    ("DDXPlus", "Diagnosis"): ("diagnosis.ddxplus", 1500, False),
    ("SEER", "Treatment Planning"): ("treatment_planning.seer", 1500, True),
    ("MIMIC4ED", "Hospitalization"): ("clinical_outcome_prediction.hospitalization", 1500, True),
    ("MIMIC4ED", "72h ED Revisit"): ("clinical_outcome_prediction.ed_revisit_72h", 1500, True),
    ("MIMIC4ED", "Critical Triage"): ("clinical_outcome_prediction.critical_triage", 1500, True),
    ("HoC", "HoC Classification"): ("text_classification.hoc", 158, False),
    ("PubMedQA", "Answer Verification"): ("fact_verification.pubmedqa", 650, False),
    ("PUBLICHEALTH", "Health Fact Verification"): ("fact_verification.health_fact", 1188, False),
    ("EBMS", "Justification Verification"): ("fact_verification.ebms", 304, False),
    ("MedNLI", "Textual entailment discriminative"): ("nli.mednli_discriminative", 1422, True),
    ("MedNLI", "Textual entailment generative"): ("nli.mednli_generative", 1422, True),
}

MEDS_METRICS = {
    # printed name: our metric's base name, its label, a note; scripts and languages have metrics of their own (_meds_name)
    "Accuracy": ("accuracy", "Accuracy", ""),
    "BLEU": ("bleu_1", "BLEU-1", "Printed as BLEU."),
    "ROUGE": ("rouge_l_set", "ROUGE-L (word sets)", "Printed as ROUGE; the code computes ROUGE-L over sets of words."),
    "F1": ("ner_f1_cut", "Micro F1 (last letter cut)", "The scorer drops the last letter of the last entity."),
    "Macro-F1": ("hoc_macro_f1", "Macro F1 (ten classes)", ""),
    "Macro-Precision": ("hoc_macro_precision", "Macro precision (ten classes)", ""),
    "Macro-Recall": ("hoc_macro_recall", "Macro recall (ten classes)", ""),
}

MEDS_ACCURACIES = {
    "mcqa": ("mcqa_first_letter", "Accuracy (first letter)"),
    "information_extraction": ("ie_containment", "Accuracy (containment)"),
    "diagnosis": ("diagnosis_containment", "Accuracy (containment)"),
    "treatment_planning": ("treatment_containment", "Accuracy (containment)"),
    "clinical_outcome_prediction": ("outcome_true_false", "Accuracy (true or false)"),
    "fact_verification": ("fact_containment", "Accuracy (containment, first line)"),
    "nli": ("nli_containment", "Accuracy (containment)"),
}

MEDS_TASK_CAVEATS = {
    "mcqa": "The released scorer reads no answer in another language than English, so it cannot have made this table.",
    "fact_verification.pubmedqa": "Every gold answer is “no”: the accuracy measures how often “no” stands in the first line.",
    "fact_verification.health_fact": "A constant answer scores 50.4 % (the majority class) or 32.7 % (class 0, as MEDITRON).",
    "treatment_planning.seer": "The inputs hold treatment codes, vital status and cause of death: the target leaks.",
    "explanation.biolord": "The paper says 1115 items; the counts of the release leave 1000.",
}


def meds_bench(rows: Rows) -> list[Result]:
    """Tables 1 to 8; averages have a track of their own."""
    cells: dict[tuple[str, str, str], Rows] = defaultdict(list)
    for row in rows:
        if row["dataset"] == "ALL":
            task = {"Text Summarization": "text_summarization", "Information Extraction": "information_extraction"}.get(
                row["category"], {"Named Entity Recognition": "ner"}.get(row["category"], row["category"].lower())
            )
            cells[f"meds_bench.{task}", row["model"], AVERAGES_TRACK].append(row)
        else:
            cells["meds_bench." + MEDS_TASKS[row["dataset"], row["task"]][0], row["model"], ""].append(row)
    facts = {f"meds_bench.{name}": (n, credentialed) for name, n, credentialed in MEDS_TASKS.values()}
    results = []
    for (task, model, track), several in sorted(cells.items()):
        n, credentialed = facts.get(task, (None, False))
        if any("another n" in row["note"] for row in several):
            n = None
        several.sort(key=lambda row: list(MEDS_METRICS).index(row["metric"]))
        metrics = [_meds_metric(row, n, task.removeprefix("meds_bench.")) for row in several]
        primary = metrics[0].name
        caveats = list(dict.fromkeys(_sentence(row["note"]) for row in several if row["note"]))
        caveats += [text for key, text in MEDS_TASK_CAVEATS.items() if f"{task}.".startswith(f"meds_bench.{key}.")]
        results.append(
            Result(
                kind="published",
                task=task,
                suite="meds_bench",
                protocol="paper",
                track=track,
                model=ModelInfo(name=model, backend="published"),
                data_policy="credentialed" if credentialed else "open",
                n_items=n,
                metrics=metrics,
                primary=primary,
                source=Source(title=MEDS, where=f"Table {several[0]['table']}"),
                caveats=caveats,
            )
        )
    return results


def _meds_metric(row: dict[str, str], n: int | None, task: str) -> MetricResult:
    name, label, note = _meds_name(row["metric"], task)
    if not row["value"]:
        return MetricResult(name=name, label=label, value=None, missing="not reported by the paper", n=None)
    return MetricResult(name=name, label=label, value=_share(row["value"]), n=n, note=note)


def _meds_name(printed: str, task: str) -> tuple[str, str, str]:
    """The metric that ehrbench's paper protocol gives the task."""
    name, label, note = MEDS_METRICS[printed]
    category, _, rest = task.partition(".")
    if name == "accuracy":
        name, label = MEDS_ACCURACIES[category]
        return (f"{name}_yes_no", "Accuracy (first letter, yes or no)", note) if task == "mcqa.pubmedqa" else (name, label, note)
    if name in ("bleu_1", "rouge_l_set"):
        script = {"explanation": "explanation", "rationale": "rationale"}.get(category, "ebms" if rest == "ebms" else "")
        language = {"chinese": "zh", "japanese": "ja"}.get(rest, "") if category == "rationale" else ""
        name = "_".join(part for part in (name, script, language) if part)
    return name, label, note


def mimic_instr(rows: Rows) -> list[Result]:
    """Table 3 (a judge's score relative to GPT-4) and Table 5 (prediction)."""
    results = []
    for row in rows:
        value, spread = float(row["value"]), float(row["spread"])
        if row["table"] == "3":
            results.append(_relative(row, value, spread))
        else:
            results.append(_prediction(row, value, spread))
    return results


def _relative(row: dict[str, str], value: float, half: float) -> Result:
    overall = row["group"] == "overall"
    n = 200 if overall else 100
    caveats = ["Scored by GPT-3.5 against GPT-4's answer, both of versions since retired; GPT-4 always stood first."]
    if overall and row["model"].startswith("Llemr"):
        expected = {"Llemr+Stage1": "4.80", "Llemr+Stage1&2": "3.64"}[row["model"]]
        caveats.append(f"The printed half-width ({row['spread']}) does not follow from the two subsets, which give {expected}.")
    return Result(
        kind="published",
        task="mimic_instr" if overall else f"mimic_instr.{row['group']}",
        suite="mimic_instr",
        protocol="paper",
        track=JUDGE + (", pooled" if overall else ""),
        model=ModelInfo(name=row["model"], backend="published"),
        data_policy="credentialed",
        n_items=n,
        n_expected=n,
        metrics=[
            MetricResult(
                name="judge_relative",
                label="Judge, relative",
                value=value,
                low=round(value - half, 4),
                high=round(value + half, 4),
                interval="as printed: normal, mean of ratios over items",
                n=n,
                range=(10.0, 1000.0),
            )
        ],
        primary="judge_relative",
        source=Source(title=MIMIC, where="Table 3"),
        caveats=caveats,
    )


def _prediction(row: dict[str, str], value: float, deviation: float) -> Result:
    macro = row["group"] == "diagnosis_macro"
    task = "diagnosis" if macro else row["group"]
    caveats = ["Trained classifiers on up to 512 events; how one-class resamples are handled is not stated."]
    if task == "los":
        caveats.append("The stated prevalence (0.18) does not fit stays of over 7 days: the label may be another.")
    return Result(
        kind="published",
        task=f"mimic_instr.{task}",
        suite="mimic_instr",
        protocol="paper",
        model=ModelInfo(name=row["model"], backend="published"),
        data_policy="credentialed",
        metrics=[
            MetricResult(
                name="macro_auroc" if macro else "auroc",
                label="Macro AUROC" if macro else "AUROC",
                value=value,
                low=round(value - 1.96 * deviation, 4),
                high=round(min(1.0, value + 1.96 * deviation), 4),
                interval=f"normal, derived from the printed bootstrap SD of {row['spread']} (1,000 resamples)",
            )
        ],
        primary="macro_auroc" if macro else "auroc",
        source=Source(title=MIMIC, where="Table 5"),
        caveats=caveats,
    )


def ehr_bench(rows: Rows) -> list[Result]:
    """Figure 1c: group scores."""
    results = []
    for row in rows:
        decision = row["group"] == "decision_making"
        caveats = ["Read off the labels of the figure's bars; its error bars are not explained."]
        caveats.append("EHR-R1 was run without candidate lists, the other models with them.")
        if decision:
            caveats.append("The figure's axis says Accuracy, the text says F1.")
        elif row["note"]:
            caveats.append(_sentence(row["note"]))
        if decision and row["model"] == "EHR-R1-1.7B":
            caveats.append("A failed replication (issue 5 of the repository) reports 0.198 over 26 tasks, 0.208 over 24.")
        if row["model"] == "DeepSeek-R1":
            caveats.append("The abstract names DeepSeek-V3.")
        results.append(
            Result(
                kind="published",
                task="ehr_bench.decision.paper_24" if decision else "ehr_bench.risk",
                suite="ehr_bench",
                protocol="paper",
                track=AVERAGES_TRACK,
                model=ModelInfo(name=row["model"], backend="published"),
                data_policy="credentialed",
                metrics=[
                    MetricResult(
                        name="set_f1_strict" if decision else "auroc",
                        label="F1" if decision else "AUROC",
                        value=float(row["value"]),
                        note="Mean over 24 tasks." if decision else "Mean over 18 tasks.",
                    )
                ],
                primary="set_f1_strict" if decision else "auroc",
                source=Source(title=EHR_R1, where="Figure 1c"),
                caveats=caveats,
            )
        )
    return results


def ehrshot(rows: Rows) -> list[Result]:
    """The column "All" of the website's tables by group: classifiers trained on every training label."""
    cells: dict[tuple[str, str], Rows] = defaultdict(list)
    for row in rows:
        cells[row["group"], row["model"]].append(row)
    results = []
    for (group, model), found in cells.items():
        caveats = ["A classifier trained on all training labels; a language model is asked without training."]
        caveats += ["The numbers are the website's; they were not compared with the paper's own tables."]
        other = [f"{row['later']} ({LABELS[row['metric']]})" for row in found if row["later"] not in ("", "only")]
        if other:
            caveats.append(f"The website's later leaderboard has {' and '.join(other)}.")
        later = found[0]["later"] == "only"
        where = "static/data/leaderboard.json, commit 96745df" if later else "content/leaderboard/paper, commit 0e146fc"
        results.append(
            Result(
                kind="published",
                task=f"ehrshot.{group}",
                suite="ehrshot",
                protocol="paper",
                track=AVERAGES_TRACK,
                model=ModelInfo(name=model, backend="published"),
                data_policy="credentialed",
                metrics=[_ehrshot_metric(row) for row in found],
                primary="auroc",
                source=Source(title=EHRSHOT, where=where),
                caveats=caveats,
            )
        )
    return results


LABELS = {"auroc": "AUROC", "auprc": "AUPRC"}


def _ehrshot_metric(row: dict[str, str]) -> MetricResult:
    low, high = (float(row[end]) if row[end] else None for end in ("low", "high"))
    how = "as the website's leaderboard.json has it, which does not say how it was made" if row["low"] else ""
    return MetricResult(
        name=row["metric"], label=LABELS[row["metric"]], value=float(row["value"]), low=low, high=high, interval=how
    )


def _read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _share(percent: str) -> float:
    return round(float(percent) / 100, 6)


def _sentence(text: str) -> str:
    return (text[:1].upper() + text[1:]).rstrip(".") + "."


if __name__ == "__main__":
    main(Path(sys.argv[1]))
