"""What is watched exists: metrics of running services and of a running broker."""
