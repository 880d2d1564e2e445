"""``replay:`` finds answers by item id and says what is wrong with a file."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from ehrbench.errors import MissingError, UsageError
from ehrbench.models.loading import load_model
from ehrbench.models.protocol import ChoiceRequest, Model, Request


def replay(path: Path, text: str, **args: str) -> Model:
    path.write_text(text, encoding="utf-8")
    return load_model(f"replay:{path}", args, None)


def answers(model: Model, *items: str) -> list[tuple[str, str, str | None]]:
    return [(r.text, r.finish, r.error) for r in model.generate(Request(f"q{i}", (), 9, item=i) for i in items)]


def test_jsonl_in_the_order_asked(tmp_path: Path) -> None:
    model = replay(tmp_path / "llemr.jsonl", '{"id": 7, "answer": "a"}\n\n{"item": "8", "output": "two\\nlines"}\n')
    assert answers(model, "8", "7", "9") == [("two\nlines", "stop", None), ("a", "stop", None), ("", "error", "not in the file")]
    assert (model.identity.name, model.identity.backend) == ("llemr", "replay")


def test_csv_of_several_systems(tmp_path: Path) -> None:
    rows = 'instruction_id,model_name,model_response\n1,gpt,"yes, ""so"""\n1,vicuna,no\n2,gpt,\n1,gpt,"yes, ""so"""\n'
    model = replay(tmp_path / "out.csv", rows, system="gpt")
    assert answers(model, "1", "2") == [('yes, "so"', "stop", None), ("", "stop", None)]
    assert model.identity.name == "gpt"
    with pytest.raises(UsageError, match=r"several systems: choose one with --model-arg system=NAME \(gpt, vicuna\)"):
        load_model(f"replay:{tmp_path / 'out.csv'}", {}, None)
    with pytest.raises(UsageError, match="unknown system 'gtp'.*'gpt'"):
        load_model(f"replay:{tmp_path / 'out.csv'}", {"system": "gtp"}, None)


def test_changed_answers_are_another_model(tmp_path: Path) -> None:
    first = replay(tmp_path / "a.jsonl", '{"id": "1", "answer": "a"}\n').identity
    assert replay(tmp_path / "a.jsonl", '{"id": "1", "answer": "b"}\n').identity != first


def test_unused_answers_are_counted_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    model = replay(tmp_path / "a.tsv", "id\tanswer\n1\tCANARY\n2\tCANARY\n3\tCANARY\n")
    answers(model, "2")
    with caplog.at_level(logging.WARNING):
        model.close()
        model.close()
    assert [record.getMessage().split(": ")[1] for record in caplog.records] == ["2 of 3 answers belong to no item that was run"]


def test_probabilities(tmp_path: Path) -> None:
    rows = '{"id": 1, "answer": "", "probability": 0.25}\n{"id": 2, "answer": "", "probability": {"yes": 0.3, "Yes": 0.3}}\n'
    model = replay(tmp_path / "p.jsonl", rows)
    choices = (("yes", "Yes"), ("no",))
    got = list(model.choice_probabilities(ChoiceRequest(i, (), choices, item=i) for i in "123"))
    assert [r.probabilities for r in got] == [(0.25, 0.75), (1.0, 0.0), ()]
    assert [r.finish for r in got] == ["stop", "stop", "error"]
    without = replay(tmp_path / "q.jsonl", '{"id": 1, "answer": ""}\n')
    with pytest.raises(UsageError, match="no column 'probability'"):
        without.choice_probabilities([])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"id": 1, "answer": "a"}\n{"id": CANARY', r"a\.jsonl:2: not JSON"),
        ("a.jsonl", "[1]\n", r"a\.jsonl:1: expected a JSON object"),
        ("a.jsonl", '{"id": 1, "text": "CANARY"}\n', r"a\.jsonl:1: no column with the answer: .*found id, text"),
        ("a.jsonl", '{"answer": "CANARY"}\n', "no column with the id"),
        ("a.jsonl", '{"id": 1, "answer": "a"}\n{"id": 1, "answer": "CANARY"}\n', r":2: a second, different answer for item 1"),
        ("a.jsonl", '{"id": 1, "answer": "a", "probability": 1.5}\n', r":1: expected a probability from 0 to 1"),
        ("a.jsonl", '{"id": 1, "answer": "a", "probability": "CANARY"}\n', r":1: expected a probability from 0 to 1"),
        ("a.csv", "id,answer\n1,a,CANARY\n", r"a\.csv:2: expected 2 fields"),
        ("a.csv", 'id,answer\n1,"CANARY"x\n', r"a\.csv:2: not readable as CSV"),
        ("a.csv", "id,answer\n", "holds no answers"),
    ],
)
def test_bad_files(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        replay(tmp_path / name, text)
    assert "CANARY" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="there is no such file"):
        load_model(f"replay:{tmp_path / 'none.csv'}", {}, None)
