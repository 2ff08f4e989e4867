"""The OpenAPI document: what the framework knows, and what was recorded of the service at work."""
