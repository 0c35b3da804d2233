"""Reading documents: the text of a PDF, and the fields of a commercial invoice."""
