"""compose.yaml, the image, and the secrets that go with them."""
