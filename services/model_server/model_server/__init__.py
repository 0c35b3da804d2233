"""What every served model shares: protocols, limits, metrics, traces, audit, and changing a model safely."""

__version__ = "0.1.0"
