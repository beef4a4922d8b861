"""Imports as jobs, over the registry."""
