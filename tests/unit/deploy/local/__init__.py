"""Tests of `deploy.local` without sockets."""
