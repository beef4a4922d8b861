"""One contract of the ledger's transitions, kept by PostgreSQL and by the ledger in memory alike.

`desk` is the ledger as its callers have it, over either; tests of each transition run on both, and `test_twins` makes
the same random moves on both at once and compares every answer and every row.
"""
