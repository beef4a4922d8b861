"""Lanes, workers, projects and dead letters without servers."""
