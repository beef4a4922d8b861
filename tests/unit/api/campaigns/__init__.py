"""Decisions on campaigns: pure functions."""
