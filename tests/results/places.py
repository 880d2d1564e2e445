"""Where in a result somebody might paste a text by accident."""

from __future__ import annotations

from ehrbench.results.schema import Result


def in_a_caveat(result: Result, text: str) -> None:
    result.caveats = [f"Note: {text}."]


def in_a_note(result: Result, text: str) -> None:
    result.metrics[0].note = f"seen: {text}"


def in_a_command(result: Result, text: str) -> None:
    result.command = f"ehrbench run --model m --model-arg system={text}"


def in_a_setting(result: Result, text: str) -> None:
    result.model.settings = {"stop": [text], text: 1}


def in_the_environment(result: Result, text: str) -> None:
    result.environment = {"host": {"name": text}}


def in_the_models_name(result: Result, text: str) -> None:
    result.model.name = text


def in_a_stratum(result: Result, text: str) -> None:
    result.strata = {text if "=" in text else f"level={text}": [result.metrics[0].model_copy()]}


PLACES = (in_a_caveat, in_a_note, in_a_command, in_a_setting, in_the_environment, in_the_models_name, in_a_stratum)
