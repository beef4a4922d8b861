"""The services: processes that meet only on the wire and in the ledger.

Every worker has the same rooms: `__main__` (start), `app` (build), `consumer` (wire), its verb (`planning`,
`sending`, `merging`: decide) and `store` (its queries). None imports another; import-linter holds the walls.
"""
