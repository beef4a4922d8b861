"""TLS to the broker and to PostgreSQL, with real handshakes."""
