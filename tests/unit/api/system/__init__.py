"""Dead letters and projects as values."""
