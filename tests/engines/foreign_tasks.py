"""Seven small tasks in lm-eval's dialect, one or two of each output type, on local JSON files."""

from __future__ import annotations

import json
from pathlib import Path

WORDS = ["sodium", "potassium", "warfarin", "sepsis", "pneumonia", "fever", "cough", "insulin"]
OUTPUT_TYPES = {
    "mini_mc": "multiple_choice",
    "mini_mc_shots": "multiple_choice",
    "mini_mc_inputs": "multiple_choice",
    "mini_generate": "generate_until",
    "mini_generate_filtered": "generate_until",
    "mini_likelihood": "loglikelihood",
    "mini_rolling": "loglikelihood_rolling",
}

_MC = """
output_type: multiple_choice
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_choice: "{{choices}}"
doc_to_target: "{{answer}}"
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
"""

_BODIES = {
    "mini_mc": _MC,
    "mini_mc_shots": _MC + "num_fewshot: 2\ntraining_split: test\n",
    "mini_mc_inputs": """
output_type: multiple_choice
doc_to_text: "{{answer}}"
doc_to_choice: "{{inputs}}"
doc_to_target: "is what she takes."
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
""",
    "mini_generate": """
output_type: generate_until
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{gold}}"
generation_kwargs: {until: ["e", "\\n\\n"], max_gen_toks: 12, do_sample: false}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}
""",
    "mini_generate_filtered": """
output_type: generate_until
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{letter}}"
generation_kwargs: {until: ["\\n\\n"], max_gen_toks: 16, do_sample: false}
filter_list:
  - {name: first-letter, filter: [{function: regex, regex_pattern: "([a-zA-Z])"}, {function: take_first}]}
  - {name: last-letter, filter: [{function: regex, regex_pattern: "([a-zA-Z])", group_select: -1}, {function: take_first}]}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true}
""",
    "mini_likelihood": """
output_type: loglikelihood
doc_to_text: "{{question}}"
doc_to_target: " {{letter}}"
metric_list:
  - {metric: perplexity, aggregation: perplexity, higher_is_better: false}
  - {metric: acc, aggregation: mean, higher_is_better: true}
""",
    "mini_rolling": """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list:
  - {metric: word_perplexity, aggregation: weighted_perplexity, higher_is_better: false}
  - {metric: byte_perplexity, aggregation: weighted_perplexity, higher_is_better: false}
  - {metric: bits_per_byte, aggregation: bits_per_byte, higher_is_better: false}
""",
}


def write_tasks(folder: Path, n: int = 12) -> Path:
    """Write the tasks and their data; returns the folder for ``--include-path``."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for i in range(n):
        choices = [WORDS[(i + k * 3) % len(WORDS)] for k in range(4)]
        question = f"The patient of bed {i} takes {WORDS[(i * 5) % len(WORDS)]}. Which word comes next?"
        rows.append(
            {
                "question": question,
                "choices": choices,
                "answer": i % 4,
                "gold": choices[i % 4],
                "letter": "abcdefghijkl"[i % 12],
                "inputs": [f"{question} {choice}" for choice in choices],
                "text": " ".join("acdhinor"[(i + k) % 8] for k in range(150 * i + 5)),
            }
        )
    data = folder / "data.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    for name, body in _BODIES.items():
        head = f"task: {name}\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {data}}}}}\ntest_split: test\n"
        (folder / f"{name}.yaml").write_text(head + body + "metadata: {version: 1.0}\n", "utf-8")
    return folder
