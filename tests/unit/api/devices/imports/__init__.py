"""Streams of lines to rows, without servers."""
