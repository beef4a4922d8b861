"""The sender: sends batches to FCM and reports an outcome for every device.

In: `push.batch.v1` from its lanes. Out: `push.result.v1`, and the batch again on a retry rung. Owns: claims while it
holds them. Promises: nothing is sent without a claim, nor after its lease; nothing is acked before its outcomes are
confirmed; a message is sent to FCM again only where the ledger allows it. Reading order: `app`, `consumer`, `sending`
(one batch), `claiming` (its claim), `outcomes` (its letters), `answers` (what FCM's answers mean), `incidents` (what
they say about project, platform and campaign), `message`, `gateways`.
"""
