"""Imports as jobs: a stream of devices, NDJSON or CSV, whose progress anybody may follow and whose end may be repeated.

Reading order: `ingest` (lines to rows), `chunks` (rows to PostgreSQL), `schemas`, `routes`, `progress` (a stream to
rows and progress), `csv_records` (a body of CSV to records and cells), `csv_lines`, `store`.

Promises: progress is committed with the devices that it counts, so it never says too much; a body that is sent again
continues behind what was committed; of two requests for one job the later one writes, and the other is told.
"""
