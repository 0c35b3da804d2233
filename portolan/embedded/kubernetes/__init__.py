"""The embedded Kubernetes provider: Pulumi's resource protocol on one side, the API server on the other."""
