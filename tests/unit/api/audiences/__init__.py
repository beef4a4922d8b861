"""Audiences: pure parts."""
