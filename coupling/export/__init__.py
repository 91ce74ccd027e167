"""Export of a finished run: adapter, heads, loader and model card, for use without airtune."""
