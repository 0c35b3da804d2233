"""An assistant that answers from the administration's texts, reads invoices, and proposes what only officers decide."""

__version__ = "0.1.0"
