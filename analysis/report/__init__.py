"""Report of runs as one self-contained HTML file."""

from analysis.report.html import page

__all__ = ["page"]
