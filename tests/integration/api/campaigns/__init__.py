"""Campaigns through the API."""
