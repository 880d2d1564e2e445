"""Before the tests of tox's environment ``comet``: make the metrics' environment with the command that users have.

``python make_environment.py HOME CONSTRAINTS``: nothing is done where ``EHRBENCH_COMET_ENVIRONMENT`` names one elsewhere.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def main(home: str, constraints: str) -> int:
    if Path(os.environ["EHRBENCH_COMET_ENVIRONMENT"]) != Path(home) / "environments" / "comet":
        return 0
    surroundings = {name: value for name, value in os.environ.items() if name != "EHRBENCH_COMET_ENVIRONMENT"}
    surroundings |= {"EHRBENCH_HOME": home, "PIP_CONSTRAINT": constraints, "PIP_BUILD_CONSTRAINT": constraints}
    return subprocess.run([sys.executable, "-m", "ehrbench", "metrics", "setup", "comet"], env=surroundings).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
