"""Stored files of a run as data of another person: bounds, schemas and types of columns."""
