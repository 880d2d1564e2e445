"""What fitting records into a window costs beside tokenising each record once, and what the newest tokens alone cost.

    python benchmarks/context.py [--tokenizer FOLDER] [--rounds 3] [--records 20] [--questions 100]

Without ``--tokenizer`` a byte-level BPE of 16,000 tokens is trained on the spot on the same kind of text.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ehrbench.context import Window, tokens
from ehrbench.context.chain import chain
from ehrbench.models.hf.tokenizer import HFTokenizer, load_tokenizer
from ehrbench.models.protocol import Message
from ehrbench.records.record import Record
from ehrbench.tasks.schema import PromptSpec, RecordSpec

SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PROMPT = PromptSpec(
    user="Instruction: Answer the following question based on the EHR:\n\n"
    "EHR: {{ record }}\n\nQuestion: {{ question }}\n\nAnswer:"
)
QUESTION = "Summarize the oncologic history of this patient, with every change of therapy and its reason (question {})."
WINDOW, RESERVE, TAIL = 32_768, 256, 8_192


def record_text(chars: int, seed: int) -> str:
    """Invented record text: dated XML entries, half notes and half codes, words in about the proportions of language."""
    rng = random.Random(seed)
    vocabulary = random.Random(0)
    syllables = "ca ro mi tan ste no pul dys he ma lo xi ber gli de pro in ver al ti o sis emia itis ine ol ate ic ous ium"
    words = ["".join(vocabulary.choices(syllables.split(), k=vocabulary.randint(1, 5))) for _ in range(20_000)]
    weights = [1 / (rank + 3) for rank in range(len(words))]
    lines, length = [], 0
    while length < chars:
        time_ = f"{rng.randint(2008, 2024)}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d} {rng.randint(0, 23):02d}:15"
        if rng.random() < 0.1:
            body = " ".join(rng.choices(words, weights, k=rng.randint(30, 200)))
            line = f'<note type="progress note" start="{time_}">{body}.</note>\n'
        else:
            name = " ".join(rng.choices(words, weights, k=3))
            code, value = f"{rng.randint(1000, 99999)}-{rng.randint(0, 9)}", f"{rng.uniform(0, 300):.1f}"
            line = f'<measurement start="{time_}"><code>[LOINC/{code}] {name} {value} mg/dL</code></measurement>\n'
        lines.append(line)
        length += len(line)
    return "".join(lines)


def trained(folder: Path) -> HFTokenizer:
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

    backend = Tokenizer(models.BPE())
    split = pre_tokenizers.Split(Regex(SPLIT), behavior="isolated")
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=16_000, initial_alphabet=alphabet, show_progress=False)
    backend.train_from_iterator((record_text(200_000, seed) for seed in range(900, 910)), trainer)
    backend.save(str(folder / "tokenizer.json"))
    return load_tokenizer(str(folder))


def chat(messages: Sequence[Message]) -> str:
    return "".join(f"<|{role}|>\n{content}\n" for role, content in messages) + "<|assistant|>\n"


def forget(home: Path | None) -> None:
    """An empty memory; with a folder, an empty disk too."""
    tokens._cache = tokens.TokenCache()
    tokens._totals.cache_clear()
    if home is not None:
        os.environ["EHRBENCH_HOME"] = tempfile.mkdtemp(dir=home)


def timed(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--records", type=int, default=20)
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=100_000, help="of each record")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        tokenizer = load_tokenizer(str(options.tokenizer)) if options.tokenizer else trained(home)
        many_questions(tokenizer, home, options)
        newest_tokens(tokenizer, home, options.rounds)


def many_questions(tokenizer: HFTokenizer, home: Path, options: argparse.Namespace) -> None:
    probe = record_text(300_000, 1)
    chars = int(options.tokens * len(probe) / tokenizer.count(probe))
    records = [Record(str(seed), record_text(chars, seed), []) for seed in range(options.records)]
    # Items on the same record are neighbours, as in the schedule of a run.
    pairs = [(records[i * len(records) // options.questions], QUESTION.format(i)) for i in range(options.questions)]
    window = Window.of(reserve=RESERVE, answer_tokens=RESERVE, max_tokens=WINDOW, model_tokenizer=tokenizer)

    def ours(policy: str) -> Callable[[], object]:
        spec = RecordSpec.model_validate({"context": policy})
        return lambda: [chain(r, PROMPT, {"question": q}, spec, window, chat).messages(0) for r, q in pairs]

    def naive() -> None:
        for record, question in pairs:
            empty = tokenizer.count(chat([Message("user", PROMPT.user + question)]))
            starts = tokenizer.encode(record.text).starts
            kept = record.text[starts[-(WINDOW - RESERVE - empty)] :]
            tokenizer.count(chat([Message("user", PROMPT.user + kept + question)]))

    rows = {
        "one tokenisation of each record": (lambda: [tokenizer.encode(record.text) for record in records], True),
        "truncate, all questions, first run": (ours("truncate"), True),
        "truncate, all questions, later run": (ours("truncate"), False),
        "refine, all questions, first run": (ours("refine"), True),
        "retrieve, all questions, first run": (ours("retrieve"), True),
        "encoding per question": (naive, True),
    }
    measured: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(options.rounds):
        for name, (work, fresh) in rows.items():
            forget(home if fresh else None)
            measured[name].append(timed(work))
    seconds = {name: statistics.median(times) for name, times in measured.items()}
    unit = seconds["one tokenisation of each record"]
    print(f"\n{options.questions} questions on {len(records)} records of {tokenizer.count(records[0].text):,} tokens")
    print(f"({len(records[0].text):,} characters each), window {WINDOW:,}: CPU seconds, median of {options.rounds} rounds\n")
    print("| | s | times one tokenisation |\n|---|---|---|")
    for name, value in seconds.items():
        print(f"| {name} | {value:.2f} | {value / unit:.2f} |")


def newest_tokens(tokenizer: HFTokenizer, home: Path, rounds: int) -> None:
    text = record_text(1_000_000, 77)
    whole, tail = [], []
    for _ in range(max(rounds, 3)):
        forget(home)
        encoded: list[object] = []
        whole.append(timed(lambda: encoded.append(tokenizer.encode(text))))  # noqa: B023
        tail.append(timed(lambda: encoded.append(tokens.RecordTokens(text, tokenizer).tail(TAIL))))  # noqa: B023
        full, run = encoded
        same = list(full.ids[-TAIL:]) == list(run.ids[-TAIL:]) and list(full.starts[-TAIL:]) == list(run.starts[-TAIL:])
        if not same:
            raise SystemExit("the tail's tokens differ from the whole text's")
    a, b = statistics.median(whole), statistics.median(tail)
    print(f"\nThe last {TAIL:,} of {len(full.ids):,} tokens of a record of {len(text):,} characters, ids and offsets the same\n")
    print("| | ms | times faster |\n|---|---|---|")
    print(f"| encode all, keep the end | {a * 1e3:.0f} | 1 |\n| encode the tail | {b * 1e3:.0f} | {a / b:.1f} |")


if __name__ == "__main__":
    main()
