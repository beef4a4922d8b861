"""Decisions of the fault injector and its checker, without any process."""
