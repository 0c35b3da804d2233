"""One answer for a declaration, of several models."""

__version__ = "0.1.0"
