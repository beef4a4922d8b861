"""What became of it: batches, failures, the push log of a device, exports, and events as they happen.

In: the ledger, which is only read. Promises: an export and a stream take flat memory, however long; a stream that is
taken up again with `Last-Event-ID` has no gap and no repeat; no answer holds a token.

Reading order: `batches`, `failures`, `push_log`, `export` (a router each), then `tail` (one look at new events for
all streams of this process), `streaming` (one stream), `events` (its routes); `store` has the queries.
"""
