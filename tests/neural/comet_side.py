"""Runs in the metrics' environment: writes tiny random checkpoints, and scores with the libraries called directly.

``python comet_side.py make FOLDER TOKENIZERS``; ``python comet_side.py drop CHECKPOINT FOLDER WEIGHT`` makes a copy without a
weight; ``python comet_side.py score FOLDER ROWS.json OUT.json``: rows by kind in, scores by kind out.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import torch

Rows = list[dict[str, str]]


def randomise(model: Any, seed: int, scale: float = 1.0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            if weight.dim() > 1:
                size = 1.0 if "embed" in name else scale * weight.shape[-1] ** -0.5
                weight.copy_(torch.randn(weight.shape, generator=generator) * size)


def vocabulary(folder: Path) -> int:
    model = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]
    return len(model["vocab"])


def encoder(folder: Path, tokenizers: Path, kind: str) -> Path:
    from transformers import RobertaConfig, RobertaModel, XLMRobertaConfig, XLMRobertaModel

    shutil.copytree(tokenizers / kind, folder)
    config_class, model_class = {
        "xlmr": (XLMRobertaConfig, XLMRobertaModel),
        "roberta": (RobertaConfig, RobertaModel),
    }[kind]
    config = config_class(
        vocab_size=vocabulary(folder),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=130,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
    )
    model = model_class(config, add_pooling_layer=False)
    randomise(model, 1)
    model.save_pretrained(folder)
    return folder


def lightning(folder: Path, model: Any, hparams: dict[str, Any]) -> None:
    import pytorch_lightning
    import yaml

    randomise(model, 2, 2.0)
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "hparams.yaml").write_text(yaml.safe_dump(hparams), "utf-8")
    torch.save(
        {
            "state_dict": model.state_dict(),
            "hyper_parameters": hparams,
            "pytorch-lightning_version": pytorch_lightning.__version__,
        },
        folder / "checkpoints" / "model.ckpt",
    )


def drop(checkpoint: Path, folder: Path, weight: str) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(checkpoint, folder)
    path = folder / "checkpoints" / "model.ckpt"
    if path.is_file():
        content = torch.load(path, weights_only=False)
        del content["state_dict"][weight]
        torch.save(content, path)
        return
    path = folder / "model.safetensors"
    tensors = load_file(path)
    del tensors[weight]
    save_file(tensors, path, metadata={"format": "pt"})


def make(folder: Path, tokenizers: Path) -> None:
    from bleurt_pytorch import BleurtConfig, BleurtForSequenceClassification
    from comet.models import RegressionMetric, UnifiedMetric
    from lens.models import RegressionMetricMultiReference
    from transformers import T5Config, T5ForConditionalGeneration

    xlmr = encoder(folder / "xlmr", tokenizers, "xlmr")
    common = {
        "encoder_model": "XLM-RoBERTa",
        "pretrained_model": str(xlmr),
        "layer": "mix",
        "layer_norm": False,
        "dropout": 0.1,
        "hidden_sizes": [24, 12],
    }
    regression = {**common, "layer_transformation": "sparsemax_patch"}
    model = RegressionMetric(**{**regression, "layer_transformation": "softmax"}, load_pretrained_weights=False)
    lightning(folder / "regression", model, {"class_identifier": "regression_metric", **regression})
    unified = {**common, "layer_transformation": "softmax", "sent_layer": "mix", "word_layer": 2, "loss": "mse"}
    del unified["layer"]
    unified |= {"input_segments": ["mt", "src", "ref"], "word_level_training": False}
    lightning(
        folder / "unified",
        UnifiedMetric(**unified, load_pretrained_weights=False),
        {"class_identifier": "unified_metric", **unified},
    )
    roberta = encoder(folder / "roberta", tokenizers, "roberta")
    lens = {"encoder_model": "RoBERTa", "pretrained_model": str(roberta), "layer": "mix", "hidden_sizes": [24, 12], "topk": 1}
    lightning(
        folder / "lens", RegressionMetricMultiReference(**lens), {"class_identifier": "regression_metric_multi_ref", **lens}
    )
    bleurt = folder / "bleurt"
    shutil.copytree(tokenizers / "wordpiece", bleurt)
    config = BleurtConfig(
        vocab_size=vocabulary(bleurt),
        embedding_size=16,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        num_labels=1,
    )
    model = BleurtForSequenceClassification(config)
    randomise(model, 3, 2.0)
    model.save_pretrained(bleurt)
    unieval = folder / "unieval"
    shutil.copytree(tokenizers / "t5", unieval)
    config = T5Config(
        vocab_size=vocabulary(unieval),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=2,
        num_heads=2,
        pad_token_id=0,
        eos_token_id=1,
        decoder_start_token_id=0,
    )
    model = T5ForConditionalGeneration(config)
    randomise(model, 4, 2.0)
    model.save_pretrained(unieval)


def score(folder: Path, kind: str, rows: Rows) -> list[float]:
    """What the library of each metric gives when a user calls it as its readme says."""
    if kind in ("regression", "unified"):
        from comet import load_from_checkpoint

        model = load_from_checkpoint(folder / kind / "checkpoints" / "model.ckpt", local_files_only=True)
        found: list[float] = model.predict(rows, batch_size=3, gpus=0, progress_bar=False, num_workers=0)["scores"]
        return found
    if kind == "lens":
        from lens import LENS

        model = LENS(folder / kind / "checkpoints" / "model.ckpt", rescale=True)
        return list(
            model.score(
                [row["src"] for row in rows],
                [row["mt"] for row in rows],
                [[row["ref"]] for row in rows],
                batch_size=3,
                devices=None,
            )
        )
    if kind == "bleurt":
        from bleurt_pytorch import BleurtForSequenceClassification, BleurtTokenizer

        model = BleurtForSequenceClassification.from_pretrained(folder / kind).eval()
        tokenizer = BleurtTokenizer.from_pretrained(folder / kind)
        found = []
        for row in rows:
            inputs = tokenizer([row["ref"]], [row["mt"]], padding="longest", truncation=True, max_length=128, return_tensors="pt")
            with torch.no_grad():
                found += model(**inputs).logits.flatten().tolist()
        return found
    return unieval(folder / kind, rows)


def unieval(folder: Path, rows: Rows) -> list[float]:
    """The authors' way: the loss's logits for the target "No", a softmax over the vocabulary, and the two words' shares."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    model = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    yes, no = tokenizer("Yes")["input_ids"][0], tokenizer("No")["input_ids"][0]
    found = []
    for row in rows:
        inputs = tokenizer([row["text"]], max_length=1024, truncation=True, padding=True, return_tensors="pt")
        target = tokenizer(["No"], return_tensors="pt")["input_ids"][:, 0].unsqueeze(-1)
        with torch.no_grad():
            logits = model(**inputs, labels=target).logits
        shares = torch.softmax(logits.view(-1, model.config.vocab_size), dim=1)[0]
        found.append(float(shares[yes] / (shares[yes] + shares[no])))
    return found


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]), Path(sys.argv[3]))
    elif sys.argv[1] == "drop":
        drop(Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4])
    else:
        asked = json.loads(Path(sys.argv[3]).read_text("utf-8"))
        found = {kind: score(Path(sys.argv[2]), kind, rows) for kind, rows in asked.items()}
        Path(sys.argv[4]).write_text(json.dumps(found), "utf-8")
