"""What every service needs and none owns: envelope, outbox, inbox, consumers, HTTP, auth, telemetry. No CRM noun."""
