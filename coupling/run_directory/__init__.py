"""Run directory: tables, checkpoint, provenance, lock, status and remote copy."""
