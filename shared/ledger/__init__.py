"""The ledger: a row per batch, a letter per device; the truth about every campaign.

Owns the schema (`migrations`) and every transition's SQL. Promises: the audience is the sum of all letters at every
commit; no interleaving of crashes, repeats and delays loses a device, counts it twice or gives it a false letter.
Reading order: `states` (every transition of campaigns and batches), `letters` (the join), `quota` (when a batch may
start), then the transitions in the order of a batch's life: `campaigns` (send, pause, cancel), `audiences` (for whom),
`steering`, `planning` (cut, publish, stamp), `claiming`, `releasing`, `merging`, `completion`, `sweeping`, `closing`.
"""
