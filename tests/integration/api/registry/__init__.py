"""Devices one by one, over the registry."""
