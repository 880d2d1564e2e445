"""ehrbench: evaluate language models on health records, with intervals, provenance and privacy.

Importing this package reads no file, opens no socket and loads no heavy library; docs/architecture.md shows the rooms.
"""

__version__ = "0.1.0"
