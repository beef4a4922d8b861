"""A device's address at FCM, and the hash that stands for it where the address itself must not travel."""

import hashlib

HASH_BYTES = 16
"""Of SHA-256: no two of 10^12 targets are likely to share it, and the unique index stays half the size."""


def target_hash(kind: str, value: str) -> bytes:
    """The hash of a target; `kind` is `token` or `fid`, so that equal values of both kinds differ."""
    return hashlib.sha256(f"{kind}:{value}".encode()).digest()[:HASH_BYTES]
