"""Names and explanations in plain words."""

from __future__ import annotations

_METRICS: dict[str, str] = {
    "accuracy": "The share of items whose answer is right.",
    "ambiguous": "The share of answers that name several of the possible labels and so commit to none. Lower is better.",
    "auprc": "Area under the precision-recall curve: how well positives are found without false alarms. Chance is the share of "
    "positives.",
    "auroc": "The chance that a patient with the outcome is given a higher risk than one without. 0.5 is guessing, 1 is perfect.",
    "balanced_accuracy": "The mean over classes of the share of each class that is found.",
    "bertscore": "How close the words of answer and gold are in the space of a language model; not a percentage of anything.",
    "bleu": "Overlap of word sequences with the gold answer, with a penalty for short answers.",
    "bleu_1": "Share of the answer's words that are in the gold answer, with a penalty for short answers.",
    "bleurt": "A trained model's guess of how well the answer carries the gold's meaning.",
    "brier": "Mean squared distance of the stated probability from what happened. Lower is better.",
    "chrf_pp": "Overlap of letter and word sequences with the gold answer; forgiving of inflection.",
    "comet": "A trained model's guess of quality, from the source, the answer and the gold answer.",
    "containment": "The share of items whose gold answer stands anywhere in the model's: rewards hedging and long answers.",
    "correct": "The share of answers that clinicians judged correct.",
    "ece": "How far stated probabilities are from observed shares, averaged over bins. Lower is better.",
    "exact_match": "The share of answers equal to the gold answer after tidying.",
    "first_line_match": "The share of answers whose first line is the gold answer.",
    "f1": "Harmonic mean of precision (how much of what is named is right) and recall (how much of what is right is named).",
    "google_bleu": "The smaller of precision and recall of word sequences of length one to four.",
    "judge_ratio_of_sums": "The sum of a judge model's scores of the answers as a percentage of the sum of its scores of the "
    "reference answers; steadier than the mean of ratios.",
    "judge_relative": "A judge model's score of the answer as a percentage of its score of a reference model's answer, averaged "
    "over items. It can exceed 100, and moves with the judge and with the reference answers.",
    "jury_score": "Mean score from 1 to 5 by a panel of language models.",
    "lens": "A trained model's guess of how well the answer simplifies its source, made for simplified texts; 0 to 100.",
    "macro_f1": "F1 of each class, averaged over classes, so that rare classes count as much as common ones.",
    "macro_precision": "Precision of each class, averaged over classes.",
    "macro_recall": "Recall of each class, averaged over classes.",
    "mcqa_first_letter": "The share of items whose first letter, after a fixed phrase, is the right option's.",
    "mean_rank": "Mean place that clinicians gave the model's answer among the compared models. Lower is better.",
    "meteor": "Overlap of words with the gold answer, counting stems and synonyms and the order of words.",
    "outcome_true_false": "The share of items whose answer holds the right one of the words true and false, and not the other.",
    "precision": "How much of what is named is right.",
    "prefix_match": "The share of answers that begin with the gold answer.",
    "recall": "How much of what is right is named.",
    "rouge_1": "Overlap of single words with the gold answer.",
    "rouge_2": "Overlap of word pairs with the gold answer.",
    "rouge_l": "Longest common sequence of words of answer and gold.",
    "rouge_l_set": "Longest common sequence over sets of words, summed over sentences: what the MedS-Bench code computes and its "
    "leaderboard calls ROUGE.",
    "sentence_bleu": "BLEU of each answer, averaged over answers.",
    "set_f1": "Harmonic mean of precision and recall of the answer's items against the gold set.",
    "token_f1": "Harmonic mean of precision and recall of the answer's words against the gold answer's.",
    "typed": "The share of answers that say the gold answer in any wording, compared by its type: yes or no, a number with its "
    "unit, a time, a list, a text.",
    "unieval": "A trained model's judgement of one quality of the answer.",
    "win_rate": "Share of pairings that clinicians decided for the model, averaged over the other models.",
}


def explain(metric: str) -> str:
    """What a metric means; a variant (``bleu_1_zh``, ``nli_accuracy``) is explained as what it is a variant of."""
    names = sorted(_METRICS, key=len, reverse=True)
    base = next((n for n in names if metric == n or metric.startswith(f"{n}_")), None)
    base = base or next((n for n in names if metric.endswith(f"_{n}")), None)
    base = base or next((n for n in names if f"_{n}_" in metric), None)
    return _METRICS[base] if base else ""
