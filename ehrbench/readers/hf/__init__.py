"""Data sets that the package ``datasets`` reads: those of the Hugging Face hub, and its files."""
