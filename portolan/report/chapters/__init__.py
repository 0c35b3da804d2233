"""The report's chapters, in the order that procurement expects."""
