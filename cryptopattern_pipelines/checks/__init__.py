"""Asset checks, made from the schemas."""
