"""The emulator's decisions: what it answers, to whom, and what it writes down."""
