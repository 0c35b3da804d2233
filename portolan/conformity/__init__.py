"""Evidence, verdicts, and the comparison of the two with the plan's targets."""
