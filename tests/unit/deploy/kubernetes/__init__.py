"""Manifests: valid by Kubernetes' schemas, consistent among themselves and with the code."""
