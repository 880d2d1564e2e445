import json
from pathlib import Path

import pytest

from ehrbench.results.supplements import find_supplements

CORRELATION = {
    "task": "medalign",
    "suite": "medalign",
    "statistic": "mean Kendall tau-b",
    "metrics": [{"name": "rouge_l", "label": "ROUGE-L", "value": 0.3, "low": 0.2, "high": 0.4}],
}
HUMAN = {
    "task": "medalign",
    "suite": "medalign",
    "head_to_head": [{"judge": "clinicians", "label": "Clinicians", "pairs": [{"a": "x", "b": "y", "wins": 0.6}]}],
}


def test_supplements_are_found_by_their_names_and_private_folders_are_not_entered(tmp_path: Path) -> None:
    for name, data in (
        ("a/correlation.json", CORRELATION),
        ("a/b/release.correlation.json", CORRELATION),
        ("human.json", HUMAN),
        ("a/private/human.json", HUMAN),
        ("x.facts.json", {"suite": "s", "facts": []}),
        ("correlations.json", {}),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(json.dumps(data))
    found, problems = find_supplements([tmp_path, tmp_path])
    assert (len(found.correlations), len(found.humans), len(found.facts), problems) == (2, 1, 1, [])


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("correlation.json", "{", "not JSON"),
        ("correlation.json", "[]", "Input should be"),
        ("correlation.json", CORRELATION | {"kind": "human"}, "kind"),
        ("correlation.json", CORRELATION | {"schema_version": 2}, "schema_version"),
        ("correlation.json", CORRELATION | {"span": [0.5, 1]}, "outside the statistic's range"),
        ("correlation.json", CORRELATION | {"inter_rater": {"value": 0.4, "low": 0.5, "high": 0.3}}, "before it begins"),
        ("correlation.json", CORRELATION | {"surprise": 1}, "surprise"),
        ("human.json", json.dumps(HUMAN).replace("0.6", "NaN"), "NaN"),
        ("human.json", json.dumps(HUMAN).replace("0.6", "1e999"), "1e999"),
        ("human.json", json.dumps(HUMAN).replace("0.6", "1.6"), "wins"),
    ],
)
def test_what_cannot_be_used_is_named_and_the_rest_loads(tmp_path: Path, name: str, data: object, said: str) -> None:
    (tmp_path / name).write_text(data if isinstance(data, str) else json.dumps(data))
    (tmp_path / "good.human.json").write_text(json.dumps(HUMAN))
    found, problems = find_supplements([tmp_path])
    assert len(found.humans) == 1
    assert len(problems) == 1
    assert said in problems[0].message
    assert name in problems[0].message
