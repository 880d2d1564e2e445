"""A made-up season of results: several suites, protocols, contexts, tracks, published rows and hostile names."""

from __future__ import annotations

import random

from ehrbench.results import ContextInfo, MetricResult, ModelInfo, Result, Source, Usage
from tests.results.factory import make_metric, make_result

HOSTILE = (
    "<script>alert(1)</script>",
    "../../etc/passwd",
    "x" * 10_000,
    "\u202egnp.exe \u0645\u0631\u062d\u0628\u0627",
    "a\"b'c&amp;<b>",
    "=HYPERLINK(1)",
)


def season(n_models: int = 8, hostile: bool = False, synthetic: bool = False) -> list[Result]:
    """Results of ``n_models`` models on three suites."""
    rng = random.Random(7)
    names = [f"model-{i:02d}-{'instruct' if i % 2 else 'base'}" for i in range(n_models)] + (list(HOSTILE) if hostile else [])
    results: list[Result] = []
    for k, name in enumerate(names):
        skill = 0.3 + 0.4 * k / max(1, len(names)) + rng.uniform(-0.03, 0.03)
        for policy, window in (("truncate", 8192), ("truncate", 2048), ("refine", 2048)):
            if policy == "refine" and k % 2:
                continue
            gain = {8192: 0.03, 2048: 0.0}[window] + (0.05 if policy == "refine" else 0)
            results.append(_run(name, "medalign", skill + gain, policy, window, rng, synthetic))
        for task in ("meds_bench.mcqa.medqa", "meds_bench.mcqa.pubmedqa", "meds_bench.ner.bc4chem"):
            if k % 5 == 4 and task.endswith("medqa"):
                continue
            metric = "accuracy" if "mcqa" in task else "ner_f1"
            value = round(min(0.97, skill + rng.uniform(0, 0.2)), 4)
            results.append(
                make_result(
                    name,
                    task=task,
                    suite="meds_bench",
                    metrics=[
                        make_metric(value, 0.02, metric, n=1273 if k % 3 else 1270, strict_value=value - 0.001, baseline=0.25)
                    ],
                    primary=metric,
                    context=None,
                    n_items=1273,
                    n_expected=1273,
                    n_groups=None,
                    data_policy="open",
                    synthetic=synthetic,
                )
            )
    results.append(make_result("cut-short", 0.5, n_items=12, n_expected=40, n_groups=12, synthetic=synthetic))
    results.append(make_result("few-patients", 0.5, n_groups=7, data_policy="credentialed", task="medalign", config_hash="few"))
    for name, value in (("GPT-4", 60.1), ("Vicuna-13B", 35.0)):
        results.append(_published(name, value))
    return results


def _run(name: str, task: str, value: float, policy: str, window: int, rng: random.Random, synthetic: bool) -> Result:
    value = round(value, 4)
    seen = rng.uniform(0.3, 0.9)
    return make_result(
        name,
        value,
        task,
        synthetic=synthetic,
        metrics=[
            make_metric(value, 0.04),
            make_metric(round(value * 0.8, 4), 0.03, "chrf_pp"),
            make_metric(None, name="bertscore"),
        ],
        strata={
            "category=Care planning": [make_metric(round(value * 0.9, 4), 0.07, n=14)],
            "category=Retrieve & summarize": [make_metric(round(value * 1.05, 4), 0.05, n=26)],
        },
        context=ContextInfo(
            policy=policy, window=window, share_seen_median=seen, share_seen_quartiles=(seen / 2, 1.0), n_records_cut=9
        ),
        usage=Usage(
            calls=40,
            prompt_tokens=40 * window,
            answer_tokens=rng.randrange(2_000, 9_000),
            seconds=10.0,
            cost=window / 900 * (1 + value),
        ),
    )


def _accuracy(name: str, value: float, n: int) -> MetricResult:
    return make_metric(value, 0.02, name, n=n, strict_value=value - 0.001, baseline=0.25)


def _published(name: str, value: float) -> Result:
    metric = MetricResult(name="correct", label="Correct", value=value, n=303, range=(0, 100))
    return Result(
        kind="published",
        task="medalign",
        suite="medalign",
        protocol="paper",
        track="clinicians",
        model=ModelInfo(name=name, backend="published"),
        n_items=303,
        n_expected=303,
        metrics=[metric],
        primary="correct",
        source=Source(title="MedAlign (AAAI 2024)", where="Table 3"),
        caveats=["The paper prints no interval."],
    )
