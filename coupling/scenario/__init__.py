"""Scenario files: tables, merging, validation and error lines."""
