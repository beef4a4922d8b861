"""Lanes, workers, projects and dead letters over a running API."""
