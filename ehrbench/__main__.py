"""``python -m ehrbench``: the command line without an installed script."""

from ehrbench.cli import main

if __name__ == "__main__":  # worker processes import this module again
    main()
