"""The API as a running server, over PostgreSQL and RabbitMQ."""
