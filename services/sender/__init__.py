"""The sender: batches become pushes, and every device's fate is reported.

In: `push.batch.v1` from its lanes. Out: `push.result.v1`, and the batch again on a retry rung. Owns: claims while it
holds them. Promises: nothing is sent without a claim, nor after its lease; nothing is acked before its outcomes are
confirmed; a repeat at FCM happens only where the ledger allows one. Reading order: `app`, `consumer`, `sending` (one
batch), `asking` (its claim), `outcomes` (its letters), `answers` (what FCM's words mean), `message`, `gateways`.
"""
