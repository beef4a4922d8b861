"""Tests of `deploy` on real processes."""
