"""Names of headers that more than one part of the API reads or tells."""

KEY_HEADER = "Idempotency-Key"
