"""The product as a user meets it, end to end; read these first."""
