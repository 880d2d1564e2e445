"""An environment of the metrics in which the real worker runs, with stand-ins for torch and unbabel-comet.

A score is the share of the answer's words in the reference. The stand-in says in ``MARKS`` which process scores, and, while the
file ``hang`` stands there, goes on for good: what a test then kills is a worker that is scoring.
"""

from __future__ import annotations

import sys
import venv
from pathlib import Path

import yaml

TORCH = """\
import contextlib
def device(name): return name
def inference_mode(): return contextlib.nullcontext()
class _Cuda:
    @staticmethod
    def is_available(): return False
cuda = _Cuda()
class _Module:
    def load_state_dict(self, state): raise NotImplementedError
class nn:
    Module = _Module
"""

COMET = """\
import os, sys, time
from pathlib import Path

MARKS = Path("@MARKS@")


class Scores(list):
    def flatten(self): return self
    def tolist(self): return list(self)


class Tokenizer:
    def __call__(self, texts, **options): return {"input_ids": [text.split() for text in texts]}


class Encoder:
    max_positions, tokenizer = 512, Tokenizer()


class Model:
    hparams, encoder = {}, Encoder()

    @classmethod
    def load_from_checkpoint(cls, path, **options): return cls()

    def to(self, device): return self

    def eval(self): return self

    def prepare_sample(self, rows, stage): return {"rows": rows}

    def predict_step(self, inputs):
        print("a library that prints what it is given:", inputs, flush=True)
        print("and again:", inputs, file=sys.stderr, flush=True)
        (MARKS / str(os.getpid())).touch()
        while (MARKS / "hang").exists():
            time.sleep(0.01)
        return {"scores": Scores(self.share(row) for row in inputs["rows"])}

    @staticmethod
    def share(row):
        words = row["mt"].split()
        return sum(word in row["ref"].split() for word in words) / max(len(words), 1)


str2model = {"regression_metric": Model}
"""


def make_environment(folder: Path, marks: Path) -> Path:
    """Make it (without pip, 0.1 s) and return the folder for ``EHRBENCH_COMET_ENVIRONMENT``."""
    venv.create(folder, with_pip=False)
    (packages,) = folder.glob("lib/python3*/site-packages")
    (packages / "yaml.pth").write_text(f"{Path(yaml.__file__).parent.parent}\n")
    (packages / "torch.py").write_text(TORCH)
    (packages / "comet").mkdir()
    (packages / "comet/__init__.py").write_text("")
    (packages / "comet/models.py").write_text(COMET.replace("@MARKS@", str(marks)))
    for name, version in (("unbabel_comet", "2.2.7"), ("torch", "0.0.1")):
        info = packages / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    assert (folder / "bin/python").exists(), sys.platform
    return folder


def make_checkpoint(folder: Path) -> Path:
    """A folder of COMET's form, with an encoder beside it."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "encoder").mkdir()
    (folder / "checkpoints/model.ckpt").write_bytes(b"stand-in")
    (folder / "hparams.yaml").write_text(f"class_identifier: regression_metric\npretrained_model: {folder / 'encoder'}\n")
    return folder
