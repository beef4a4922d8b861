"""The broker client against a real RabbitMQ."""
