"""Streams and batches without servers."""
