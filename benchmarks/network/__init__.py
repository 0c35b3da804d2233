"""The tunnel between two locations beside the bare line under it."""
