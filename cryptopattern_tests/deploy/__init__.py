"""What `deploy/` ships: kept by its schemas, and run as it is written, on loopback."""
