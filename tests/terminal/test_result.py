"""What the terminal says of a finished run beside its scores."""

from __future__ import annotations

import pytest

from ehrbench.results import Usage
from ehrbench.results.schema import AnswerInfo
from ehrbench.terminal.output import print_result
from tests.results.factory import make_result


def test_usage_cost_and_empty_answers_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    usage = Usage(calls=40, prompt_tokens=1_200, answer_tokens=300, cached_tokens=600, cost=1.5)
    print_result(make_result(usage=usage, answers=AnswerInfo(empty=3, at_limit=2)))
    line = "40 calls, 1,200 prompt tokens (50% cached), 300 answer tokens, $1.50, 3 empty answers, 2 answers at the token limit"
    assert line in capsys.readouterr().out.splitlines()


def test_empty_answers_are_said_where_nobody_counted_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(make_result(usage=Usage(), answers=AnswerInfo(empty=3)))
    assert "3 empty answers" in capsys.readouterr().out.splitlines()
