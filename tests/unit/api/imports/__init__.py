"""Imports as jobs: pure parts."""
