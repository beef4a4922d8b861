"""The planner over PostgreSQL."""
