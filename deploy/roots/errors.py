"""What can go wrong with a suite of Debian in a folder.

RootError
└── UnavailableError  this machine, or its mirror, cannot give it
"""

UNAVAILABLE = 69
"""Exit code of what cannot be had here, apart from a fault's 1: EX_UNAVAILABLE of sysexits.h."""


class RootError(Exception):
    """Root of what `./run on` raises on purpose."""


class UnavailableError(RootError):
    """Raised when the machine may not or the mirror does not; the text names what would help."""
