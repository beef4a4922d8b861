"""One real thing at a time: a database, a broker, a process."""
