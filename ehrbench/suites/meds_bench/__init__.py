"""MedS-Bench: eleven categories of clinical text tasks."""

from ehrbench.registry import Suite

_METRICS = {
    "generation": """
        bleu_1 bleu_1_zh bleu_1_ja bleu_1_words bleu_1_lower bleu_1_explanation bleu_1_ebms
        bleu_1_rationale bleu_1_rationale_zh bleu_1_rationale_ja
        rouge_l_set rouge_l_set_zh rouge_l_set_ja rouge_l_set_lower rouge_l_set_explanation rouge_l_set_ebms
        rouge_l_set_rationale rouge_l_set_rationale_zh rouge_l_set_rationale_ja
        rouge_1_words rouge_1_zh rouge_1_ja rouge_l_words rouge_l_zh rouge_l_ja
    """,
    "containment": """
        mcqa_first_letter mcqa_first_letter_yes_no ie_containment diagnosis_containment treatment_containment
        outcome_true_false fact_containment nli_containment
    """,
    "entities": "ner_f1_cut ner_f1 ner_precision ner_recall",
    "accuracy": """
        choice_accuracy yes_no_maybe_accuracy ie_accuracy diagnosis_accuracy treatment_accuracy nli_accuracy fact_accuracy
        diagnosis_ambiguous treatment_ambiguous nli_ambiguous fact_ambiguous nli_balanced_accuracy fact_balanced_accuracy
        outcome_accuracy outcome_balanced_accuracy outcome_f1
    """,
    "hallmarks": "hoc_macro_f1 hoc_macro_precision hoc_macro_recall hoc_f1 hoc_precision hoc_recall",
}
"""Names by module; an attribute is its metric's name in capitals."""
_ANSWERS = ("choice_letters", "yes_no_maybe", "true_false", "diagnosis_label", "treatment_label", "nli_label", "fact_label")

SUITE = Suite(
    name="meds_bench",
    title="MedS-Bench",
    about="52 clinical text tasks in eleven categories: exam questions, summaries, extraction, diagnosis, treatment and others.",
    entries={
        "reader": {
            "meds_bench": "ehrbench.suites.meds_bench.reader:read",
            "meds_bench_submission": "ehrbench.suites.meds_bench.submission.reader:read",
        },
        "sample": {"meds_bench": "ehrbench.suites.meds_bench.sample:generate"},
        "answer clean-up": {name: f"ehrbench.suites.meds_bench.answers:{name}" for name in _ANSWERS},
        "metric": {
            name: f"ehrbench.suites.meds_bench.scorers.{module}:{name.upper()}"
            for module, names in _METRICS.items()
            for name in names.split()
        },
        "command": {
            "data prepare meds_bench": "ehrbench.suites.meds_bench.commands:prepare_withdrawn",
            "results export-meds-bench": "ehrbench.suites.meds_bench.commands:export_meds_bench",
        },
        "suite that can be fetched": {"meds_bench": "ehrbench.suites.meds_bench.fetch:fetch"},
        "submission": {"meds_bench": "ehrbench.suites.meds_bench.submission.score:score_submission"},
    },
)
