"""vLLM's own server on the loopback interface, for tests that ask it as a hospital's endpoint is asked."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ENGINE = {
    "enforce_eager": "on",
    "dtype": "float32",
    "block_size": "32",
    "kv_cache_memory_bytes": str(64 << 20),
    "max_num_seqs": "8",
}
"""Arguments of vLLM in this process."""
WINDOW = 1024
START_SECONDS = 180


def flags(checkpoint: Path) -> list[str]:
    """The same arguments for vLLM's own programs; the checkpoint is served as ``tiny``."""
    return [
        *("--model", str(checkpoint), "--served-model-name", "tiny", "--max-model-len", str(WINDOW), "--enforce-eager"),
        *("--dtype", "float32", "--block-size", "32", "--kv-cache-memory-bytes", str(64 << 20), "--max-num-seqs", "8"),
        *("--generation-config", "vllm", "--max-logprobs", "512", "--enable-prompt-tokens-details"),
    ]


def quiet_environment() -> dict[str, str]:
    """The environment of vLLM's own programs."""
    return {**os.environ, "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "WARNING", "HF_HUB_OFFLINE": "1"}


@contextmanager
def serving(checkpoint: Path, log: Path) -> Iterator[str]:
    """The server's address up to ``/v1``, while it runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen([*program, *flags(checkpoint)], stdout=file, stderr=subprocess.STDOUT, env=quiet_environment())
        try:
            deadline = time.monotonic() + START_SECONDS
            while True:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2).close()
                    break
                except (urllib.error.URLError, OSError):
                    assert process.poll() is None, log.read_text()[-3000:]
                    assert time.monotonic() < deadline, "the server did not start in time"
                    time.sleep(0.5)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            process.wait(60)
