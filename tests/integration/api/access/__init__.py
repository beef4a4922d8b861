"""Keys, limits, idempotency and audit over a running API."""
