"""The machinery below the services when no containers are used: Kafka, PostgreSQL, an SMTP sink, a supervisor."""
