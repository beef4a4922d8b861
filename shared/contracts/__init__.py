"""What travels: the messages between services (`messages`) and a push's content (`content`).

Promises: bodies are JSON that a person can read in the management UI; unknown fields are ignored, so two
versions of a service can run at once; no device id or token is ever in a message.
"""
