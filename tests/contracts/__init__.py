"""What must not change without everybody knowing: messages, names, the wire."""
