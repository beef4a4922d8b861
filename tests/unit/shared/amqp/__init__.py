"""The broker client's pure parts."""
