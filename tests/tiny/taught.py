"""A tiny checkpoint that has learned some answers by heart, so that a score above 0 can be seen. Needs torch and transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

ENOUGH = 0.15
"""Mean loss of an answer's tokens at which most greedy answers are the taught ones."""


def teach(folder: Path, pairs: Sequence[tuple[str, str]], *, most_steps: int = 300, seed: int = 0) -> float:
    """Train a checkpoint in its place until it answers each prompt as taught; return the last mean loss.

    Args:
        folder: a tiny checkpoint.
        pairs: prompts as the model is given them (template included), and answers.
        most_steps: of the optimiser, over all pairs at once.
        seed: of torch.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(seed)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    rows, labels = [], []
    for prompt, answer in pairs:
        asked = tokenizer(prompt, add_special_tokens=False)["input_ids"]
        said = [*tokenizer(answer, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        rows.append(asked + said)
        labels.append([-100] * len(asked) + said)
    longest = max(map(len, rows))
    ids = torch.tensor([row + [tokenizer.pad_token_id] * (longest - len(row)) for row in rows])
    targets = torch.tensor([row + [-100] * (longest - len(row)) for row in labels])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    optimiser = torch.optim.Adam(model.parameters(), lr=3e-3)
    loss = float("inf")
    model.train()
    for _ in range(most_steps):
        found = model(input_ids=ids, attention_mask=mask, labels=targets).loss
        optimiser.zero_grad()
        found.backward()
        optimiser.step()
        loss = float(found.detach())
        if loss < ENOUGH:
            break
    model.eval()
    model.save_pretrained(folder)
    return loss


WINDOW, ANSWER = 256, 40
"""Tokens of prompt and answer together, and of an answer, for which ``knows_ehr_bench`` is taught."""


def knows_ehr_bench(folder: Path) -> Path:
    """Write a checkpoint that knows the first item of each decision-making task of EHR-Bench's sample by heart."""
    from ehrbench.models.loading import load_model
    from ehrbench.runs.options import RunOptions
    from ehrbench.runs.plan import plan_work
    from ehrbench.runs.prediction import Prediction
    from ehrbench.runs.prepared import prepare
    from ehrbench.tasks.catalog import load_catalog
    from tests.tiny.models import tiny_llama

    tiny_llama(folder, context=1024)
    options = RunOptions(max_model_len=WINDOW, max_tokens=ANSWER, limit=1, data_dir="sample", out=folder)
    model = load_model(f"hf:{folder}", {}, WINDOW)
    pairs = []
    try:
        for task in load_catalog().select("ehr_bench.decision", "clean"):
            run = prepare(task, model, options)
            for item in run.items:
                (work,) = plan_work(run, [item], "")
                assert not isinstance(work, Prediction), work.error
                pairs.append((model.prompt_text(work.request()[0].messages), "\n".join(item.labels)))
    finally:
        model.close()
    assert len(pairs) == 27
    teach(folder, pairs)
    return folder
