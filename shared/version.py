"""Carillon's version: the one place that says it.

Services tell it in `/health/live`, in the first line of their logs, in their heartbeat and to whom they send;
`pyproject.toml`, OpenAPI and `./run --version` read it from here. The image, the Kubernetes manifests and the changelog
must repeat it, and tests hold them equal.
"""

VERSION = "0.1.0"
"""Semantic versioning: what an operator must do for a new one is in docs/operator-guide/upgrades.md."""

USER_AGENT = f"carillon/{VERSION}"
"""What FCM, the token endpoint and every other HTTP server are told of us."""
