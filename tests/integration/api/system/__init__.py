"""Lanes, workers, projects and dead letters on real servers."""
