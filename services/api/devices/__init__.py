"""The device registry: devices in bulk and one by one, users, and imports.

Reading order: `lines` (a device as a line, and what is wrong with it), `schemas` (what travels), `store` (queries),
then a router each: `bulk_routes`, `device_routes`, `user_routes`. `imports` has its own reading order.

A device is its target: one row, whoever it belongs to. A target that is registered for another user moves there, keeps
its number and loses its attributes, which were the other user's; a campaign for users that was sent before no longer
reaches it (`S`). No answer holds a whole target: it is told by its kind, its first characters and its hash.
"""
