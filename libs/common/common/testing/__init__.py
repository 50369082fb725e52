"""What tests use in place of a broker, and how a service's migrations are held to its models."""
