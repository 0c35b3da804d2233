"""A Pulumi language host and a Kubernetes provider in Python, for places that cannot reach Pulumi's releases.

The engine finds `bin/pulumi-language-python` and `bin/pulumi-resource-kubernetes` on PATH and speaks gRPC with them;
nothing else in Portolan imports this room. What is matched and what is missing: docs/reference/embedded.md.
"""

NAME = "portolan embedded"
