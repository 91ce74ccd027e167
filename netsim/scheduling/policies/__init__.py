"""Built-in scheduling policies, one file per policy."""
