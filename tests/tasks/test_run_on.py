"""Stop strings of a base model come from the prompt that it is given."""

from __future__ import annotations

from ehrbench.tasks.catalog import load_catalog
from ehrbench.tasks.run_on import base_model_stops
from ehrbench.tasks.schema import PromptSpec


def test_the_prompts_headings_end_an_answer_and_its_cue_does_not() -> None:
    (task,) = load_catalog(()).select("medalign", "clean")
    assert base_model_stops(task.prompt) == ("\nInstruction:", "\nEHR:", "\nQuestion:")


def test_headings_of_the_system_message_count_and_values_do_not() -> None:
    prompt = PromptSpec(
        system="{% for e in examples %}Input:\n{{ e.input }}\n\nOutput:\n{{ e }}{% endfor %}", user="{{ question }}"
    )
    assert base_model_stops(prompt) == ("\nInput:", "\nOutput:", "\nQuestion:")
    assert base_model_stops(PromptSpec(user="{{ record }}\n{{ question }}")) == ("\nQuestion:",)
