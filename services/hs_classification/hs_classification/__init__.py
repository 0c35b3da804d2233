"""Harmonized System codes for a description of goods."""

__version__ = "0.1.0"
