"""Tests of `deploy` without sockets."""
