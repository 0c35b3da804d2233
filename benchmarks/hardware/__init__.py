"""Do the checks give what the same tools give by hand? Measured on this machine, one after the other, in one run."""
