"""How fast declarations are scored, beside the stock servers of the same model on the same machine in the same run."""
