"""Names and addresses of a cluster, without any."""
