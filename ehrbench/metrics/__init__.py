"""Metrics by name. Each module holds one family; nothing here reads files or knows models."""

from ehrbench.metrics.metric import Kind, Metric, Need, Scorable, Statistics
from ehrbench.registry import Registry

__all__ = ["METRICS", "Kind", "Metric", "Need", "Scorable", "Statistics"]

_MEDS_BENCH = {
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

METRICS: Registry[Metric] = Registry(
    "metric",
    {
        "exact_match": "ehrbench.metrics.exact:EXACT_MATCH",
        "exact_match_strict": "ehrbench.metrics.exact:EXACT_MATCH_STRICT",
        "token_f1": "ehrbench.metrics.exact:TOKEN_F1",
        "rouge_1": "ehrbench.metrics.rouge:ROUGE_1",
        "rouge_2": "ehrbench.metrics.rouge:ROUGE_2",
        "rouge_l": "ehrbench.metrics.rouge:ROUGE_L",
        "bleu": "ehrbench.metrics.bleu:BLEU",
        "sentence_bleu": "ehrbench.metrics.bleu:SENTENCE_BLEU",
        "chrf_pp": "ehrbench.metrics.chrf:CHRF_PP",
        "google_bleu": "ehrbench.metrics.google_bleu:GOOGLE_BLEU",
        "meteor": "ehrbench.metrics.meteor:METEOR",
        "bertscore": "ehrbench.neural.bertscore:BERTSCORE",
        "bertscore_deberta": "ehrbench.neural.bertscore:BERTSCORE_DEBERTA",
        "set_f1": "ehrbench.suites.ehr_bench.scorers:SET_F1",
        "set_precision": "ehrbench.suites.ehr_bench.scorers:SET_PRECISION",
        "set_recall": "ehrbench.suites.ehr_bench.scorers:SET_RECALL",
        "set_f1_strict": "ehrbench.suites.ehr_bench.scorers:SET_F1_STRICT",
        "set_precision_strict": "ehrbench.suites.ehr_bench.scorers:SET_PRECISION_STRICT",
        "set_recall_strict": "ehrbench.suites.ehr_bench.scorers:SET_RECALL_STRICT",
        "prefix_match": "ehrbench.suites.ehr_bench.scorers:PREFIX_MATCH",
        "first_line_match": "ehrbench.suites.ehr_bench.scorers:FIRST_LINE_MATCH",
        "auroc": "ehrbench.metrics.probability:AUROC",
        "macro_auroc": "ehrbench.metrics.probability:MACRO_AUROC",
        "auprc": "ehrbench.metrics.probability:AUPRC",
        "brier": "ehrbench.metrics.probability:BRIER",
        "ece": "ehrbench.metrics.probability:ECE",
        "comet": "ehrbench.neural.comet:COMET",
        "comet_100_words": "ehrbench.neural.comet:COMET_100_WORDS",
        "comet_400_words": "ehrbench.neural.comet:COMET_400_WORDS",
        "bleurt": "ehrbench.neural.comet:BLEURT",
        "lens": "ehrbench.neural.comet:LENS",
        "unieval_coherence": "ehrbench.neural.unieval:COHERENCE",
        "unieval_consistency": "ehrbench.neural.unieval:CONSISTENCY",
        "unieval_fluency": "ehrbench.neural.unieval:FLUENCY",
        "unieval_relevance": "ehrbench.neural.unieval:RELEVANCE",
        "unieval_overall": "ehrbench.neural.unieval:OVERALL",
        "typed_match": "ehrbench.metrics.typed:TYPED_MATCH",
        "typed_yes_no": "ehrbench.metrics.typed:YES_NO",
        "typed_number": "ehrbench.metrics.typed:NUMBER",
        "typed_time": "ehrbench.metrics.typed:TIME",
        "typed_duration": "ehrbench.metrics.typed:DURATION",
        "typed_count": "ehrbench.metrics.typed:COUNT",
        "typed_list": "ehrbench.metrics.typed:LIST",
        "typed_text": "ehrbench.metrics.typed:TEXT",
        **{
            name: f"ehrbench.suites.meds_bench.scorers.{module}:{name.upper()}"
            for module, names in _MEDS_BENCH.items()
            for name in names.split()
        },
    },
    "ehrbench.metrics",
    families={"lm_eval.": "ehrbench.readers.lm_eval.metrics:metric"},
)
