"""Alerts and dashboard, held to the metrics and the manual."""
