"""Lines and what they say, without servers."""
