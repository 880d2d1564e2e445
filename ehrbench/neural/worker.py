"""The worker process: runs in the metrics' own environment, where ehrbench is not installed, so it imports nothing of it.

Started as ``python -I worker.py``. One JSON object per line: on start ``{"protocol", "python", "libraries"}`` goes out; then for
each request ``{"id", "op", …}`` any number of ``{"id", "done": n}`` and one ``{"id", "ok": …}`` or ``{"id", "error", "kind"}``.

- ``load``: ``kind`` (comet, bleurt, lens, unieval) and ``options``; replies the limits of the model's input.
- ``count``: ``texts``; replies the tokens of each, without special ones.
- ``score``: ``rows``; replies ``{"scores": […], "cut": […]}``, where ``cut`` says whether the row is longer than the input.

No text that came in ever goes out again: errors in scoring name their class only.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROTOCOL = 1
LIBRARIES = ("unbabel-comet", "bleurt-pytorch", "lens-metric", "torch", "transformers", "numpy", "sentencepiece")

Row = dict[str, str]
Done = Callable[[int], None]


class LoadError(Exception):
    """The checkpoint cannot be loaded; the text holds no item's text."""


def _require_covered(missing: Iterable[str]) -> None:
    """Refuse a checkpoint without some of its model's weights: libraries fill those with random numbers and say nothing."""
    needed = sorted(name for name in missing if "pooler." not in name and not name.endswith("position_ids"))
    if needed:
        shown = ", ".join(needed[:3]) + (", …" if len(needed) > 3 else "")
        raise LoadError(f"its files lack {len(needed)} of the model's weights ({shown}), which would be random numbers")


def _require_whole_shapes(report: dict[str, Any]) -> None:
    """Refuse what transformers reports as missing, or as of another shape than the configuration says."""
    _require_covered([*report["missing_keys"], *(key[0] if isinstance(key, tuple) else key for key in report["mismatched_keys"])])


@contextmanager
def _loads_noted() -> Iterator[list[tuple[Any, list[str]]]]:
    """Note, for every module that is given a state, which of its weights were not in there; ``strict=False`` drops that."""
    import torch

    noted: list[tuple[Any, list[str]]] = []
    plain = torch.nn.Module.load_state_dict

    def load(module: Any, *args: Any, **options: Any) -> Any:
        found = plain(module, *args, **options)
        noted.append((module, list(found.missing_keys)))
        return found

    torch.nn.Module.load_state_dict = load
    try:
        yield noted
    finally:
        torch.nn.Module.load_state_dict = plain


def _device(asked: str | None) -> str:
    import torch

    return asked or ("cuda" if torch.cuda.is_available() else "cpu")


def _batches(rows: Sequence[Row], size: int) -> list[list[int]]:
    """Rows of similar length together, the longest first: where memory is short, it shows at once."""
    order = sorted(range(len(rows)), key=lambda k: -sum(map(len, rows[k].values())))
    return [order[start : start + size] for start in range(0, len(order), size)]


def _moved(data: Any, device: str) -> Any:
    """The same structure with its tensors on the device."""
    if hasattr(data, "to"):
        return data.to(device)
    if isinstance(data, dict):
        return {key: _moved(value, device) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return type(data)(_moved(value, device) for value in data)
    return data


def _token_counts(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    if not texts:
        return []
    return [len(ids) for ids in tokenizer(list(texts), add_special_tokens=False, truncation=False, verbose=False)["input_ids"]]


class Comet:
    """Regression and unified models of unbabel-comet: rows of ``src``, ``mt`` and ``ref``."""

    def __init__(self, options: dict[str, Any]) -> None:
        folder = Path(options["checkpoint"])
        with _loads_noted() as noted:
            model = self._load(folder, options.get("encoder"))
        for module, missing in noted:
            if module is model:
                _require_covered(missing)
        self._model = model.to(_device(options.get("device"))).eval()
        self._batch = int(options.get("batch") or 16)
        self._device = _device(options.get("device"))
        self._encoder = self._model.encoder
        # A unified model reads answer, reference and source as one text.
        self.joint = "input_segments" in self._model.hparams
        self.limit = int(self._encoder.max_positions) - (0 if self.joint else 2)
        self.special = 2 if not self.joint else 2 + 2 * int(self._encoder.size_separator)

    def _load(self, folder: Path, encoder: str | None) -> Any:
        import torch
        import yaml
        from comet.models import str2model

        hparams = yaml.safe_load((folder / "hparams.yaml").read_text("utf-8"))
        kind = hparams.get("class_identifier")
        if kind not in str2model:
            raise LoadError(f"its hparams.yaml names the class '{kind}'; known are {', '.join(sorted(str2model))}")
        changed: dict[str, Any] = {}
        if encoder:
            changed["pretrained_model"] = encoder
        if hparams.get("layer_transformation") == "sparsemax_patch":
            # As comet's own load_from_checkpoint does: entmax's sparsemax is not what such checkpoints were trained with.
            changed["layer_transformation"] = "softmax"
        return str2model[kind].load_from_checkpoint(
            folder / "checkpoints" / "model.ckpt",
            load_pretrained_weights=False,
            hparams_file=None,
            map_location=torch.device("cpu"),
            strict=False,
            local_files_only=True,
            **changed,
        )

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special ones."""
        return _token_counts(self._encoder.tokenizer, texts)

    def score(self, rows: Sequence[Row], done: Done) -> list[float]:
        """The score of each row; ``done`` is told how many more are finished."""
        import torch

        scores = [0.0] * len(rows)
        for chosen in _batches(rows, self._batch):
            inputs = self._model.prepare_sample([rows[k] for k in chosen], stage="predict")
            with torch.inference_mode():
                found = self._model.predict_step(_moved(inputs, self._device))["scores"].flatten().tolist()
            for k, value in zip(chosen, found, strict=True):
                scores[k] = value
            done(len(chosen))
        return scores

    def cut(self, rows: Sequence[Row]) -> list[bool]:
        """Whether the model does not see all of a row."""
        texts = sorted({text for row in rows for text in row.values()})
        counts = dict(zip(texts, self.count(texts), strict=True))
        room = self.limit - self.special
        if self.joint:
            return [sum(counts[text] for text in row.values()) > room for row in rows]
        return [any(counts[text] > room for text in row.values()) for row in rows]


class Lens(Comet):
    """LENS: rows of ``src``, ``mt`` and ``ref``, lower-cased; scores on 0 to 100."""

    def __init__(self, options: dict[str, Any]) -> None:
        super().__init__(options)
        self.joint, self.limit, self.special = False, int(self._encoder.max_positions) - 2, 2

    def _load(self, folder: Path, encoder: str | None) -> Any:
        import yaml
        from lens.models import str2model

        hparams = yaml.safe_load((folder / "hparams.yaml").read_text("utf-8"))
        kind = hparams.get("class_identifier")
        if kind != "regression_metric_multi_ref":
            raise LoadError(f"its hparams.yaml names the class '{kind}'; LENS is a regression_metric_multi_ref")
        if encoder:
            hparams["pretrained_model"] = encoder
        return str2model[kind].load_from_checkpoint(
            folder / "checkpoints" / "model.ckpt", **hparams, strict=False, map_location="cpu"
        )

    def score(self, rows: Sequence[Row], done: Done) -> list[float]:
        """The score of each row; ``done`` is told how many more are finished."""
        from math import erf

        lower = [{key: text.lower() for key, text in row.items()} for row in rows]
        # The model gives z-scores; the library's rescale option shows them as percentiles of the normal distribution.
        return [50.0 * (erf(value / 2**0.5) + 1) for value in super().score(lower, done)]


class Bleurt:
    """BLEURT in PyTorch: rows of ``ref`` and ``mt``, read as one text."""

    special = 3

    def __init__(self, options: dict[str, Any]) -> None:
        from bleurt_pytorch import BleurtConfig, BleurtForSequenceClassification, BleurtTokenizer

        folder = options["checkpoint"]
        config = BleurtConfig.from_pretrained(folder, local_files_only=True)
        if getattr(config, "model_type", "") != "bleurt":
            raise LoadError("its config.json is not of the type 'bleurt'")
        self._device = _device(options.get("device"))
        model, report = BleurtForSequenceClassification.from_pretrained(
            folder, config=config, local_files_only=True, output_loading_info=True
        )
        _require_whole_shapes(report)
        self._model = model.to(self._device).eval()
        self._tokenizer = BleurtTokenizer.from_pretrained(folder, local_files_only=True)
        self._batch = int(options.get("batch") or 16)
        self.joint = True
        self.limit = int(config.max_position_embeddings)

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special ones."""
        return _token_counts(self._tokenizer, texts)

    def score(self, rows: Sequence[Row], done: Done) -> list[float]:
        """The score of each row; ``done`` is told how many more are finished."""
        import torch

        scores = [0.0] * len(rows)
        for chosen in _batches(rows, self._batch):
            inputs = self._tokenizer(
                [rows[k]["ref"] for k in chosen],
                [rows[k]["mt"] for k in chosen],
                padding="longest",
                truncation="longest_first",
                max_length=self.limit,
                return_tensors="pt",
            )
            with torch.inference_mode():
                found = self._model(**_moved(dict(inputs), self._device)).logits.flatten().tolist()
            for k, value in zip(chosen, found, strict=True):
                scores[k] = value
            done(len(chosen))
        return scores

    def cut(self, rows: Sequence[Row]) -> list[bool]:
        """Whether the model does not see all of a row."""
        texts = sorted({text for row in rows for text in row.values()})
        counts = dict(zip(texts, self.count(texts), strict=True))
        return [sum(counts[text] for text in row.values()) > self.limit - self.special for row in rows]


class UniEval:
    """UniEval's T5: rows of ``text``; P(Yes) / (P(Yes) + P(No)) as the first token of the reply."""

    limit, special, joint = 1024, 1, True

    def __init__(self, options: dict[str, Any]) -> None:
        from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

        folder = options["checkpoint"]
        self._device = _device(options.get("device"))
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model, report = AutoModelForSeq2SeqLM.from_pretrained(folder, local_files_only=True, output_loading_info=True)
        _require_whole_shapes(report)
        self._model = model.to(self._device).eval()
        self._batch = int(options.get("batch") or 8)
        self._yes, self._no = (self._tokenizer(word)["input_ids"][0] for word in ("Yes", "No"))
        if self._yes == self._no:
            raise LoadError("its tokenizer does not tell 'Yes' from 'No'")

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, without special ones."""
        return _token_counts(self._tokenizer, texts)

    def score(self, rows: Sequence[Row], done: Done) -> list[float]:
        """The score of each row; ``done`` is told how many more are finished."""
        import torch

        scores = [0.0] * len(rows)
        for chosen in _batches(rows, self._batch):
            inputs = self._tokenizer(
                [rows[k]["text"] for k in chosen], max_length=self.limit, truncation=True, padding=True, return_tensors="pt"
            )
            start = torch.full((len(chosen), 1), self._model.config.decoder_start_token_id, device=self._device)
            with torch.inference_mode():
                logits = self._model(**_moved(dict(inputs), self._device), decoder_input_ids=start).logits[:, 0]
                # The same as P(yes) / (P(yes) + P(no)): what the other tokens have cancels out.
                found = torch.sigmoid(logits[:, self._yes].float() - logits[:, self._no].float()).tolist()
            for k, value in zip(chosen, found, strict=True):
                scores[k] = value
            done(len(chosen))
        return scores

    def cut(self, rows: Sequence[Row]) -> list[bool]:
        """Whether the model does not see all of a row."""
        return [n > self.limit - self.special for n in self.count([row["text"] for row in rows])]


KINDS: dict[str, Callable[[dict[str, Any]], Any]] = {"comet": Comet, "lens": Lens, "bleurt": Bleurt, "unieval": UniEval}


class Session:
    """The one model that is loaded: two at a time may not fit into memory."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        self._send = send
        self._loaded: tuple[str, Any] | None = None

    def answer(self, request: dict[str, Any]) -> None:
        """Carry one request out."""
        number = request.get("id")
        try:
            self._send({"id": number, "ok": self._carry_out(request, number)})
        except LoadError as error:
            self._send({"id": number, "error": str(error), "kind": "checkpoint"})
        except ImportError as error:
            self._send({"id": number, "error": f"cannot import {error.name or 'a library'}", "kind": "environment"})
        except Exception as error:  # the process must outlive any failure of a library; its text may quote an item
            memory = isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
            text = type(error).__name__
            if request.get("op") == "load":
                text = f"{text}: {str(error).splitlines()[0][:300] if str(error) else ''}"
            self._send({"id": number, "error": text, "kind": "memory" if memory else str(request.get("op"))})

    def _carry_out(self, request: dict[str, Any], number: Any) -> Any:
        if request["op"] == "load":
            return self._load(request["kind"], request["options"])
        if self._loaded is None:
            raise LoadError("nothing is loaded")
        scorer = self._loaded[1]
        if request["op"] == "count":
            return scorer.count(request["texts"])
        if request["op"] == "score":
            rows = request["rows"]
            scores = scorer.score(rows, lambda n: self._send({"id": number, "done": n}))
            return {"scores": scores, "cut": scorer.cut(rows)}
        raise LoadError(f"unknown operation '{request['op']}'")

    def _load(self, kind: str, options: dict[str, Any]) -> dict[str, Any]:
        key = json.dumps([kind, options], sort_keys=True)
        if self._loaded is None or self._loaded[0] != key:
            self._loaded = None
            self._loaded = key, KINDS[kind](options)
        scorer = self._loaded[1]
        return {"room": scorer.limit - scorer.special, "joint": scorer.joint}


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    """Serve until the input ends."""
    # Libraries print to standard output; only the protocol may stand there.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", newline="\n")
    os.dup2(2, 1)

    def send(message: dict[str, Any]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    send({"protocol": PROTOCOL, "python": sys.version.split()[0], "libraries": _versions()})
    session = Session(send)
    for line in sys.stdin.buffer:
        session.answer(json.loads(line))


if __name__ == "__main__":
    main()
