"""Pure decisions and single classes over fakes; sockets are forbidden here."""
