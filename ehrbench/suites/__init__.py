"""The benchmarks, one folder each: the core names none of them, each registers itself as a plugin does."""
