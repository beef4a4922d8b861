"""Unit tests of `shared`: pure decisions, no sockets."""
