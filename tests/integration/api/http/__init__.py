"""HTTP manners of the running API."""
