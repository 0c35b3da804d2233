"""Portolan: from a customs administration's report to a platform that stands and proves it."""

__version__ = "0.1.0"
