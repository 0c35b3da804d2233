"""What every trained model shares: one command, intervals, calibration, and the card in two languages."""

__version__ = "0.1.0"
