"""A whole run of a tiny checkpoint: every answer is what transformers' ``generate`` says to the same prompt, alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from ehrbench.models import Message, Request, Response
from ehrbench.models.loading import load_model
from ehrbench.runs.execute import generate
from ehrbench.runs.options import RunOptions
from ehrbench.runs.prepared import prepare
from ehrbench.tasks.catalog import load_catalog
from tests.support.libraries import torch, transformers
from tests.tiny.models import tiny_llama

pytestmark = pytest.mark.hf


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)  # the models are tiny, and tests run side by side


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama(tmp_path_factory.mktemp("checkpoint") / "tiny", context=2048, eos_scale=1.5)


def run(checkpoint: Path, out: Path, batch_size: str) -> tuple[dict[str, str], list[Request]]:
    """Answers by item, and every request that was made."""
    options = RunOptions(max_model_len=1024, max_tokens=12, limit=5, data_dir="sample", out=out)
    (task,) = load_catalog(()).select("medalign", "clean")
    model = load_model(f"hf:{checkpoint}", {"batch_size": batch_size}, options.max_model_len)
    asked: list[Request] = []
    plain = model.generate

    def spy(requests: Iterable[Request]) -> Iterator[Response]:
        portion = list(requests)
        asked.extend(portion)
        return plain(portion)

    model.generate = spy  # type: ignore[method-assign]
    _, predictions = generate(prepare(task, model, options))
    assert len(predictions) == 5 and {p.outcome for p in predictions} == {"answered"}
    return {p.item: p.answer for p in predictions}, asked


def test_answers_equal_generate_and_do_not_depend_on_the_batch(checkpoint: Path, tmp_path: Path) -> None:
    alone, asked = run(checkpoint, tmp_path / "1", "1")
    together, _ = run(checkpoint, tmp_path / "2", "8")
    assert alone == together
    assert len(set(alone.values())) > 1

    model = transformers.AutoModelForCausalLM.from_pretrained(checkpoint)
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)

    def reference(messages: tuple[Message, ...]) -> str:
        prompt = tokenizer.apply_chat_template(
            [message._asdict() for message in messages], add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        assert prompt["input_ids"].shape[1] + 12 <= 1024
        out = model.generate(
            **prompt, do_sample=False, temperature=None, top_p=None, top_k=None, repetition_penalty=1.0, max_new_tokens=12
        )
        text: str = tokenizer.decode(out[0, prompt["input_ids"].shape[1] :], skip_special_tokens=True)
        return text.strip()

    assert sorted(alone.values()) == sorted(reference(request.messages) for request in asked)
