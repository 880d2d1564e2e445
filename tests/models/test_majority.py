"""``baseline:majority`` answers with the commonest gold, and nothing but a baseline is ever told golds."""

from __future__ import annotations

from pathlib import Path

import pytest

from ehrbench.errors import UsageError
from ehrbench.models.offline.baseline import load
from ehrbench.models.protocol import Message, ModelIdentity, Request
from ehrbench.readers import Dataset, Item
from ehrbench.readers.item import gold_class
from ehrbench.runs.execute import tell_golds
from ehrbench.stats.majority import majority


def ask(model: object, **more: int) -> str:
    (response,) = model.generate([Request("1", (Message("user", "?"),), max_tokens=more.get("max_tokens", 9))])  # type: ignore[attr-defined]
    return str(response.text)


def test_commonest_and_first_of_ties() -> None:
    assert majority(["b", "a", "b"]) == ("b", 2 / 3)
    assert majority(["b", "a"]) == ("a", 0.5)
    assert gold_class(Item("1", "?", references=("The right answer is C: x",), labels=("A", "C"))) == "A, C"
    assert gold_class(Item("1", "?", references=("yes", "no"))) == "yes"


def test_answers_verbatim_and_within_the_limit() -> None:
    model = load("majority", {}, None)
    with pytest.raises(UsageError, match="before it was told"):
        ask(model)
    model.fit(["Gender: F\n\nAge: 8", "x", "Gender: F\n\nAge: 8"])  # type: ignore[attr-defined]
    assert ask(model) == "Gender: F\n\nAge: 8"
    assert ask(model, max_tokens=2) == "Gender: F"
    with pytest.raises(UsageError, match="needs gold answers"):
        model.fit([])  # type: ignore[attr-defined]


def test_only_a_baseline_is_told(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path, [Item("1", "?", references=("yes",))], [])

    class Spy:
        told: list[str] | None = None
        is_remote = False

        def __init__(self, backend: str) -> None:
            self.identity = ModelIdentity("spy", backend)

        def fit(self, classes: list[str]) -> None:
            self.told = classes

    for backend, told in (("baseline", ["yes"]), ("hf", None), ("openai", None)):
        spy = Spy(backend)
        tell_golds(spy, dataset)  # type: ignore[arg-type]
        assert spy.told == told
