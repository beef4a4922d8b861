"""The API's decisions, and its refusals over ASGI, without a socket."""
