"""Helm releases and charts, by the `helm` command of the bundle or of PATH."""
