"""The procurement report: one content model, two languages, six formats."""
