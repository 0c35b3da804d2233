"""What a plan costs: catalogue, bill, years of ownership on-premises, in the cloud and hybrid, and how sure that is."""
