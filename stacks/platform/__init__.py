"""One module, one ComponentResource class: a capability of the platform."""
