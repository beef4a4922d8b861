"""The dead-letter desk on the command line, against an API that a test plays."""
