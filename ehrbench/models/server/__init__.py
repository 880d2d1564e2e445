"""Models behind an OpenAI-compatible API: one pooled session, bounded and adaptive concurrency, every failure named."""
