"""What operators watch: log events (`logs`), metrics by one vocabulary (`metrics`), probes over HTTP (`probes`)."""
