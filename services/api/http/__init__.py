"""HTTP itself, without campaigns or devices: problems, error handlers, ETags, cursors, middleware.

Promises: every refusal is an RFC 9457 problem with a stable `type`; no body beyond its limit is read; a page's cursor
is opaque. Reading order: `problems` (every refusal), `faults` (errors to problems), `middleware`, `head`, then
`content_type`, `encoding` and `packed` (bodies of lines), `etags`, `cursor`, `request_id`, `openapi`.
"""
