"""`shared` against a real PostgreSQL and a real RabbitMQ."""
