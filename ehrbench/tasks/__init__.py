"""Task files: schema, registry, prompts and answer clean-ups."""
