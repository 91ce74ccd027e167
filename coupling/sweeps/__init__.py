"""Sweeps and comparisons: many runs on one machine or a cluster."""
