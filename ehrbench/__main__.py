"""``python -m ehrbench``: the command line without an installed script."""

from ehrbench.cli import main

main()
