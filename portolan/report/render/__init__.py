"""The report's formats: each renderer is a pure function from a document to bytes."""
