"""The Pulumi program: clusters, and the capabilities that stand on them."""
