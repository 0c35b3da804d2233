"""One set of rules on what a cloud stack asks for, run by Pulumi's policy engine or over the mocked graph."""
