"""Steering over PostgreSQL and RabbitMQ."""
