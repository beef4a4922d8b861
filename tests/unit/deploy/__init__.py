"""Tests of `deploy` without servers."""
