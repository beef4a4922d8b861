"""The simulation itself."""
