"""The broker as its operators have it: definitions, restricted users, TLS, the management API."""
