"""Declared values against those of their peers: the same goods, from the same origin."""

__version__ = "0.1.0"
