"""Audiences, over the registry."""
