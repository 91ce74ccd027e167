"""Scheduling policies, one file per policy."""
