"""Metrics by name. Each module holds one family; nothing here reads files or knows models."""

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
)
