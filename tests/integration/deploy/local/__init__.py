"""Tests of `deploy.local` on real servers."""
