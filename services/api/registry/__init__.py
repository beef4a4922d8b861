"""Devices one by one: upsert, look up, deactivate; and everything of a user, for who wants to be forgotten.

Reading order: `shapes` (what travels), `store` (queries), `device_routes`, `user_routes`. Streams of devices are in
`services.api.devices` and `services.api.imports`.

A device is its target: one row, whoever it belongs to. A target that is registered for another user moves there, keeps
its number and loses its attributes, which were the other user's; a campaign for users that was sent before no longer
reaches it (`S`). No answer holds a whole target: it is told by its kind, its first characters and its hash.
"""
