"""A report of some runs: one HTML file that needs nothing else."""

from analysis.report.html import page

__all__ = ["page"]
