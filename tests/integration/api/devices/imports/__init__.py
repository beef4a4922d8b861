"""Imports on a real PostgreSQL."""
