"""Prompts: what a template may do, what is refused when a task is loaded, and that a record arrives as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ehrbench.errors import UsageError
from ehrbench.tasks.prompts import (
    REFINE_TEMPLATE,
    check,
    frames,
    refine_frames,
    render,
    render_refine,
)
from ehrbench.tasks.schema import PromptSpec

MEDALIGN = PromptSpec(
    user="Instruction: Answer the following question based on the EHR:\n\n"
    "EHR: {{ record }}\n\nQuestion: {{ question }}\n\nAnswer:"
)
ANY_TEXT = st.text(st.characters(codec=None), max_size=300) | st.sampled_from(
    ["{{ question }}", "{% for x in y %}", "{# a note #}", "{", "}}", "{{ record }}", "\\1 \\g<0> %s {0}", "\ud83d", "e\u0301🩺"]
)


def user(template: str, system: str | None = None, refine: str | None = None) -> PromptSpec:
    return PromptSpec(user=template, system=system, refine=refine)


def test_the_published_prompt_is_rendered_to_the_letter():
    (message,) = render(MEDALIGN, {"question": "Any statin?"}, "<record/>")
    assert message.role == "user"
    assert message.content == (
        "Instruction: Answer the following question based on the EHR:\n\nEHR: <record/>\n\nQuestion: Any statin?\n\nAnswer:"
    )


@given(record=ANY_TEXT, question=ANY_TEXT)
def test_record_and_question_arrive_as_they_are(record, question):
    (message,) = render(MEDALIGN, {"question": question}, record)
    head, tail = "Instruction: Answer the following question based on the EHR:\n\nEHR: ", "\n\nAnswer:"
    assert message.content == f"{head}{record}\n\nQuestion: {question}{tail}"


def test_a_question_that_quotes_the_sentinel_does_not_move_the_record():
    sentinel = frames(MEDALIGN, {"question": "?"}).sentinel
    framed = frames(MEDALIGN, {"question": f"What is {sentinel}?"})
    assert framed.sentinel != sentinel
    (message,) = framed.fill("RECORD")
    assert message.content.count("RECORD\n\nQuestion") == 1
    assert f"What is {sentinel}?" in message.content


def test_the_text_around_the_record_is_what_the_frames_say():
    framed = frames(user("{{ record }}\n\n{{ question }}", system="Be brief."), {"question": "Why?"})
    assert [m.role for m in framed.messages] == ["system", "user"]
    text = "<s>" + "|".join(m.content for m in framed.messages)
    before, _, after = text.partition(framed.sentinel)
    assert (before, after) == ("<s>Be brief.|", "\n\nWhy?")


def test_a_trailing_newline_stays():
    assert render(user("{{ question }}\n"), {"question": "q"})[0].content == "q\n"


def test_nothing_is_escaped():
    assert render(user("{{ question }}"), {"question": "a < b & 'c'"})[0].content == "a < b & 'c'"


def test_loops_over_choices():
    template = "{{ question }}\n{% for c in choices %}{{ 'ABCD'[loop.index0] }}. {{ c|trim }}\n{% endfor %}"
    check(user(template), ["question", "choices"], has_record=False)
    assert render(user(template), {"question": "q", "choices": ("x ", "y")})[0].content == "q\nA. x\nB. y\n"


REFINED = (
    "Instruction: Answer the following question based on the EHR. The EHR is shown in consecutive parts, oldest first. This is "
    "part 3 of 7.\n"
    "Question: Any statin?\n"
    "Current answer, based on parts 1 to 2: No.\n"
    "EHR part 3: <note/>\n"
    "If this part changes, corrects or completes the current answer, write the updated answer. If not, repeat the current answer "
    "unchanged. Write only the answer."
)


def test_the_default_refinement_is_the_wording_of_section_2_5():
    (message,) = render_refine(MEDALIGN, {"question": "Any statin?"}, "<note/>", part=3, parts=7, previous="No.")
    assert message.content == REFINED


def test_a_prompt_may_bring_its_own_refinement():
    prompt = user(MEDALIGN.user, system="S", refine="{{ part }}/{{ parts }} {{ previous }} {{ record }} {{ question }}")
    check(prompt, ["question"], has_record=True)
    messages = render_refine(prompt, {"question": "q"}, "{{r}}", part=2, parts=2, previous="{{p}}")
    assert [m.content for m in messages] == ["S", "2/2 {{p}} {{r}} q"]


def test_a_previous_answer_that_quotes_the_sentinel_is_no_record():
    sentinel = refine_frames(MEDALIGN, {"question": "q"}, 2, 2, "-").sentinel
    messages = render_refine(MEDALIGN, {"question": "q"}, "R", part=2, parts=2, previous=sentinel)
    assert f"parts 1 to 1: {sentinel}\n" in messages[0].content


@pytest.mark.parametrize("template", [MEDALIGN.user, REFINE_TEMPLATE.replace("{{ previous }}", "").replace("part", "p_art")])
def test_check_takes_good_prompts(template):
    check(user(template), ["question", "p_art", "p_arts"], has_record=True)


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        (user("{{ record }}\n{{ question }"), r"prompt.user, template line 2: unexpected '}'"),
        (user("{{ record }}\n{{ question }}\n{% for x in choices %}"), r"template line 3: Unexpected end of template"),
        (user("{{ record }} {{ question }} {{ x|shout }}"), r"No filter named 'shout'"),
        (user("{{ record }} {{ question }}\n{{ choics }}"), r"line 2: unknown slot 'choics' \(did you mean 'choices'\?\)"),
        (user("{{ question }}"), r"the slot \{\{ record \}\} is missing"),
        (user("{{ record }} {{ record }} {{ question }}"), r"'record' is used 2 times"),
        (user("{{ record }} {{ question }}", system="{{ record }}"), r"'record' is used 2 times"),
        (user("{{ record|trim }} {{ question }}"), r"plain \{\{ record \}\}"),
        (user("{% if choices %}{{ record }}{% endif %} {{ question }}"), r"plain \{\{ record \}\}"),
        (user("{{ record }} {{ choices }}"), r"the slot \{\{ question \}\} is missing"),
        (user("{{ record }} {{ question }} {{ previous }}"), r"slot 'previous' exists in prompt.refine only"),
        (user("{{ record }} {{ question }}", refine="{{ record }} {{ question }}"), r"\{\{ previous \}\} is missing"),
        (user("{{ record }} {{ question }}", refine="{{ previous }} {{ question }}"), r"prompt.refine: the slot \{\{ record"),
    ],
)
def test_check_names_the_place_and_the_fault(prompt, says):
    with pytest.raises(UsageError, match=says):
        check(prompt, ["question", "choices"], has_record=True)


def test_check_of_a_task_without_records():
    check(user("{{ question }}"), ["question"], has_record=False)
    with pytest.raises(UsageError, match="no 'record:' section"):
        check(user("{{ question }}\n{{ record }}"), ["question"], has_record=False)
    with pytest.raises(UsageError, match="nothing to refine over"):
        check(user("{{ question }}", refine="{{ previous }}"), ["question"], has_record=False)


@pytest.mark.parametrize(
    "template",
    [
        "{% include 'x' %}",
        "{% import 'x' as y %}",
        "{% extends 'x' %}",
        "{% macro m() %}{% endmacro %}",
        "{% set a = question %}",
        "{{ 9 ** 9 }}",
        "{{ question|indent(1000000000) }}",
        "{{ question|center(1000000000) }}",
        "{{ question|random }}",
        "{% for a in choices recursive %}{% endfor %}",
        "{% for a in choices %}{% for b in choices %}{% for c in choices %}{% endfor %}{% endfor %}{% endfor %}",
        "{{ lipsum() }}",
        "{{ self }}",
        "{{ cycler }}",
        "x" * 200_001,
    ],
)
def test_what_no_prompt_needs_is_refused_on_load(template):
    with pytest.raises(UsageError, match="prompt.user"):
        check(user("{{ question }}" + template), ["question", "choices"], has_record=False)


@pytest.mark.parametrize(
    "template",
    [
        "{{ question.__class__ }}",
        "{{ question.__class__.__mro__ }}",
        "{{ ''.join(question) }}",
        "{{ question.ljust(1000000000) }}",
        "{{ '{:1000000000}'.format(1) }}",
        "{{ question * 1000000000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{% for i in range(100000) %}{% endfor %}",
        "{{ choices.append(1) }}",
        "{{ question() }}",
        "{{ question|map(attribute='__class__')|join }}",
        "{{ choices[7] }}",
        "{{ 1 / 0 }}",
        "{{ question|int + question }}",
        "{{ question.nothing }}",
    ],
)
def test_what_fails_or_would_not_end_is_one_sentence_with_the_line_and_without_the_value(template):
    with pytest.raises(UsageError, match=r"prompt\.user, template line 2") as caught:
        render(user("{{ question }}\n" + template), {"question": "CANARY", "choices": ["CANARY"]})
    assert "CANARY" not in str(caught.value)


def test_a_slot_without_a_value_is_an_error_not_an_empty_text():
    with pytest.raises(UsageError, match="line 1"):
        render(user("{{ question }}{{ choices }}"), {"question": "q"})


def test_output_is_bounded():
    template = "{{ question }}{% for a in range(1000) %}{% for b in range(1000) %}{{ question }}{% endfor %}{% endfor %}"
    with pytest.raises(UsageError, match="characters"):
        render(user(template), {"question": "x" * 1000})


def test_a_replacement_cannot_fill_the_memory():
    template = "{{ question|replace('x', question)|replace('x', question)|replace('x', question) }}"
    with pytest.raises(UsageError, match="characters"):
        render(user(template), {"question": "x" * 1000})
