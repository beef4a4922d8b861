"""Real clients of FCM against the emulator: `./run clients`. Not part of CI: they need npm, pip and nghttp2's tools.

Each client is installed at its pinned version into a temporary folder and told only where FCM is (`programs/`). It must
understand every answer, and send 300 messages at once, each exactly once. What it makes of polite GOAWAYs is told and
not judged: that is the client's own affair.
"""
