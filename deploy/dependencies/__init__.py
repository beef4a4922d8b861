"""What `./run check` and `./run lock` know of the packages that Carillon stands on.

In: `pyproject.toml` (who is declared, and why), the lock files (which version), the installed metadata (which licence).
Out: `docs/dependencies.md`, and a word on the licences of what the image ships and on known vulnerabilities.
Promises: offline, but for the vulnerabilities; what cannot be looked up is said aloud and fails nothing.
Read `declared`, `locked` and `licences`, then `page` and `advisories`; `__main__` has the commands.
"""
