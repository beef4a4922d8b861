"""The tests, in trees by cost: `unit` (no sockets), `integration` (one real thing), `contracts`, `flow`, `chaos`."""
