"""What it costs to bring a site up, beside the bare tools on the same hosts in the same run."""
