"""The emulator as a process, spoken to by real clients."""
