"""Results over PostgreSQL: batches, failures, logs, exports, streams."""
