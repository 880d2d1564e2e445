from __future__ import annotations

import pytest

from ehrbench.errors import UsageError
from ehrbench.runs.profiles import OPTIONS, load_profile, profile_names, with_profile
from ehrbench.tasks.schema import ContextPolicy


@pytest.mark.parametrize("name", profile_names())
def test_every_profile_loads(name: str) -> None:
    profile = load_profile(name)
    assert profile.title
    assert set(profile.options) <= set(OPTIONS)
    assert profile.options.get("context", "refine") in ContextPolicy.__args__  # type: ignore[attr-defined]


def test_what_ehr_r1s_authors_do() -> None:
    assert load_profile("ehr-r1").model_args == {"thinking": "off"}
    assert load_profile("ehr-r1").options["max_model_len"] == 32000
    assert load_profile("ehr-r1-72b").model_args["prompt_suffix"].replace("\\n", "\n") == "<think>\n\n</think>\n"


def test_the_users_own_arguments_win() -> None:
    given = {"max_model_len": 8192, "prompt": "default", "context": None}
    options, model_args = with_profile(given, {"thinking": "on"}, load_profile("ehr-r1"))
    assert (options["max_model_len"], model_args["thinking"]) == (8192, "on")
    options, _ = with_profile({**given, "max_model_len": None}, {}, load_profile("ehr-r1"))
    assert options["max_model_len"] == 32000


def test_an_unknown_profile_is_answered_with_close_ones() -> None:
    with pytest.raises(UsageError, match="did you mean 'ehr-r1'"):
        load_profile("ehr-r")
