"""`./run on NAME COMMAND…`: a command of ours on another RabbitMQ than the machine's, from another suite of Debian.

Read `__main__` (the order of things), `sources` (the mirror that this machine uses), `prepared` (a suite in a folder,
made once), then the two scripts that need root: `make` and `enter`. Everything is mounted in a mount namespace of the
command's own, so nothing stays mounted when its last process has ended.
"""
