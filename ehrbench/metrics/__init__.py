"""Metrics by name. Each module holds one family; nothing here knows runs, data sets or models (METEOR reads WordNet)."""

from ehrbench.metrics.metric import Kind, Metric, Need, Scorable, Statistics
from ehrbench.registry import Registry

__all__ = ["METRICS", "Kind", "Metric", "Need", "Scorable", "Statistics"]

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
    },
    "ehrbench.metrics",
    families={"lm_eval.": "ehrbench.readers.lm_eval.metrics:metric", "evaluate:": "ehrbench.metrics.evaluate_package:metric"},
    expected=Metric,
)
