"""Aggregates against scikit-learn, sacrebleu and numbers worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ehrbench.stats.aggregate import AGGREGATES, Ranked


def value(name, statistics, weights=None):
    statistics = np.asarray(statistics, dtype=float)
    weights = np.ones((1, len(statistics))) if weights is None else np.asarray([weights])
    return float(AGGREGATES[name](statistics, weights)[0])


def test_mean_weighs_items():
    assert value("mean", [0.0, 1.0, 0.5], [1, 2, 1]) == 2.5 / 4
    assert np.isnan(value("mean", [0.0, 1.0], [0, 0]))


def test_ratio_of_sums_is_not_the_mean_of_ratios():
    assert value("ratio_of_sums", [[1, 2], [9, 10]]) == 10 / 12
    assert np.isnan(value("ratio_of_sums", [[1, 0]]))


def test_micro_f1_of_the_worked_ner_example():
    # tp 3, fp 2, fn 2 over three rows: P = R = F1 = 0.6
    rows = [[2, 0, 0], [1, 2, 1], [0, 0, 1]]
    for name in ("micro_f1", "micro_precision", "micro_recall"):
        assert value(name, rows) == pytest.approx(0.6)
    assert value("micro_f1", [[0, 0, 0]]) == 0


def test_macro_over_observed_and_over_all_classes():
    # class 1: tp 1 fp 1 fn 1 -> 0.5; class 2: perfect; class 3: absent
    rows = [[1, 0, 0, 1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0, 0, 0, 0]]
    assert value("macro_f1", rows) == pytest.approx(0.75)
    assert value("macro_f1_all_classes", rows) == pytest.approx(0.5)


def test_macro_equals_scikit_learn():
    from sklearn import metrics

    rng = np.random.default_rng(3)
    for _ in range(50):
        gold, predicted = rng.integers(0, 5, 30), rng.integers(0, 5, 30)
        rows = np.zeros((30, 15))
        for i, (g, p) in enumerate(zip(gold, predicted, strict=True)):
            if g == p:
                rows[i, 3 * g] = 1
            else:
                rows[i, 3 * p + 1] = rows[i, 3 * g + 2] = 1
        for ours, theirs in (("f1", metrics.f1_score), ("precision", metrics.precision_score), ("recall", metrics.recall_score)):
            assert value(f"macro_{ours}", rows) == pytest.approx(
                theirs(gold, predicted, average="macro", zero_division=0), abs=1e-12
            )
            everything = theirs(gold, predicted, average="macro", zero_division=0, labels=range(5))
            assert value(f"macro_{ours}_all_classes", rows) == pytest.approx(everything, abs=1e-12)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 6)] * 5), min_size=1, max_size=3))
def test_corpus_bleu_equals_sacrebleu(rows):
    from sacrebleu.metrics import BLEU

    statistics = []
    for length, *missing in rows:
        total = [max(length - n, 0) for n in range(4)]
        correct = [max(t - m, 0) for t, m in zip(total, missing, strict=True)]
        statistics.append([*correct, *total, length, 4])
    summed = np.sum(statistics, axis=0)
    reference = BLEU.compute_bleu(list(summed[:4]), list(summed[4:8]), int(summed[8]), int(summed[9]), smooth_method="exp")
    assert value("corpus_bleu", statistics) == pytest.approx(reference.score / 100, abs=1e-12)


def test_auroc_by_hand():
    # 7 of 9 pairs in order; ties count half
    rows = [[1, 0.9], [1, 0.6], [1, 0.4], [0, 0.7], [0, 0.3], [0, 0.2]]
    assert value("auroc", rows) == pytest.approx(7 / 9)
    assert value("auroc", [[1, 0.5], [0, 0.5]]) == 0.5
    assert np.isnan(value("auroc", [[1, 0.5], [1, 0.7]]))
    assert np.isnan(value("auprc", [[0, 0.5], [0, 0.7]]))
    with pytest.raises(ValueError, match="0 or 1"):
        value("auroc", [[2, 0.5], [0, 0.5]])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("decimals", [1, 9])
def test_ranked_aggregates_equal_scikit_learn_under_weights(share, decimals):
    from sklearn import metrics

    rng = np.random.default_rng(1)
    labels = (rng.random(60) < share).astype(float)
    labels[:2] = 0, 1
    scores = np.round(rng.random(60) + labels * 0.3, decimals)
    weights = rng.integers(0, 4, size=(40, 60))
    rows = np.column_stack([labels, scores])
    areas, precisions = AGGREGATES["auroc"](rows, weights), AGGREGATES["auprc"](rows, weights.astype(float))
    for w, area, precision in zip(weights, areas, precisions, strict=True):
        if len(set(labels[w > 0])) == 2:
            assert area == pytest.approx(metrics.roc_auc_score(labels, scores, sample_weight=w), abs=1e-12)
            assert precision == pytest.approx(metrics.average_precision_score(labels, scores, sample_weight=w), abs=1e-12)


def test_calibration_by_hand():
    rows = [[1, 0.9], [0, 0.85], [0, 0.1], [1, 0.0]]
    assert value("brier", rows) == pytest.approx((0.01 + 0.7225 + 0.01 + 1) / 4)
    # bins (0.8, 0.9]: 0.9-1+0.85-0 = 0.75; [0, 0.1]: 0.1-0+0-1 = -0.9
    assert value("ece", rows) == pytest.approx((0.75 + 0.9) / 4)


@pytest.mark.parametrize("name", AGGREGATES)
def test_a_weight_is_a_repetition(name):
    rng = np.random.default_rng(5)
    how = AGGREGATES[name]
    columns = how.columns or 6
    rows = rng.integers(0, 2, size=(12, columns)).astype(float)
    if isinstance(how, Ranked) or name in ("brier", "ece"):
        rows[:, -1] = rng.random(12).round(1)
    weights = rng.integers(0, 3, size=(5, 12))
    together = how(rows, weights)
    for w, got in zip(weights, together, strict=True):
        np.testing.assert_allclose(got, value(name, np.repeat(rows, w, axis=0)), atol=1e-12)


def test_statistics_are_checked():
    with pytest.raises(ValueError, match="columns"):
        value("micro_f1", [[1, 2]])
    with pytest.raises(ValueError, match="item number 1"):
        value("mean", [0.5, float("nan")])


@pytest.mark.filterwarnings("ignore:A single label")
@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20))
def test_mcc_is_scikit_learns(rows):
    from sklearn import metrics

    gold, found = zip(*rows, strict=True)
    assert value("mcc", rows) == pytest.approx(metrics.matthews_corrcoef(gold, found), abs=1e-12)


def test_mcc_by_hand():
    # two classes: tp 3, tn 1, fp 1, fn 0 -> (3*1 - 1*0) / sqrt(4 * 3 * 2 * 1)
    rows = [(1, 1)] * 3 + [(0, 0), (0, 1)]
    assert value("mcc", rows) == pytest.approx(3 / 24**0.5)
    assert value("mcc", rows, [1, 1, 1, 0, 2]) == 0
    assert value("mcc", [(1, 1)] * 3) == 0


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.integers(0, 4))
def test_upper_median_of_repeated_items(values, seed):
    weights = np.random.default_rng(seed).integers(0, 4, len(values))
    drawn = sorted(np.repeat(values, weights))
    if drawn:
        assert value("upper_median", [[v] for v in values], weights) == drawn[len(drawn) // 2]
    else:
        assert np.isnan(value("upper_median", [[v] for v in values], weights))


@pytest.mark.parametrize("word_order", [0, 2])
def test_corpus_chrf_is_sacrebleus(word_order):
    from sacrebleu.metrics.chrf import CHRF

    answers = ["sodium is low today", "no", "", "the patient has a fever and a cough", "zzz"]
    golds = ["sodium is normal", "no drug was used", "fever", "a fever and cough", "abc"]
    metric = CHRF(word_order=word_order)
    rows = metric._extract_corpus_statistics(answers, [golds])
    assert value("corpus_chrf_percent", rows) == pytest.approx(metric.corpus_score(answers, [golds]).score)
    assert value("corpus_chrf_percent", rows[-1:]) == metric.corpus_score(["zzz"], [["abc"]]).score == 0
