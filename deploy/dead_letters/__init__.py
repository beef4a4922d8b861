"""The dead-letter desk on the command line: `./run dead-letters`, a client of the operators' HTTP API and nothing more.

In: `CARILLON_API_URL` and `CARILLON_OPERATOR_KEY`, or `--api` and `--key-file`. Looking needs a viewer's key, replaying
an operator's, discarding an administrator's. Exit code: 0 when it was done, 1 with a sentence when it was not or when
letters had to stay. Reading order: `__main__` (the commands), `desk` (the calls), `showing` (the tables).
"""
