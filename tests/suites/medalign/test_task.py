"""The MedAlign task file against the protocol page."""

from __future__ import annotations

from ehrbench.tasks.catalog import load_catalog
from ehrbench.tasks.prompts import REFINE_TEMPLATE


def test_prompt_is_the_exact_string_of_the_protocol() -> None:
    spec = load_catalog().get("medalign")
    assert spec.prompt.user == (
        "Instruction: Answer the following question based on the EHR:\n\nEHR: {{ record }}\n\nQuestion: {{ question }}\n\nAnswer:"
    )
    assert spec.variants["s9"].user == (
        "Instruction: Answer the following question based on the EHR:\n###\n"
        'Question: """{{ question }}"""\nEHR: """{{ record }}"""'
    )
    assert spec.prompt.refine == spec.variants["s9"].refine == REFINE_TEMPLATE


def test_protocols_differ_in_the_gold_and_the_wrapper_alone() -> None:
    catalog = load_catalog()
    clean, paper = catalog.get("medalign", "clean"), catalog.get("medalign", "paper")
    assert (clean.references, paper.references) == ("all", "first")
    assert clean.record is not None
    assert clean.record.rendering == "raw"
    assert clean.model_copy(update={"references": "first"}) == paper
    assert clean.digest() != paper.digest()


def test_what_the_specification_fixes() -> None:
    spec = load_catalog().get("medalign", "paper")
    assert spec.data.policy == "credentialed"
    assert spec.expected_items == 303
    assert (spec.generation.max_tokens, spec.generation.temperature) == (256, 0)
    assert spec.record is not None
    assert (spec.record.context, spec.record.keep, spec.record.chunk_tokens) == ("truncate", "end", 30_000)
