"""Figures of a run. Only this package imports matplotlib, and only where a figure is drawn."""

from tinynet.report.profile import profile_figure

__all__ = ["profile_figure"]
