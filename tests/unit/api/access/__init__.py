"""Keys, limits, idempotency and audit without servers."""
