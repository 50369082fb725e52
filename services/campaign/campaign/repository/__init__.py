"""Every SQL statement of campaign."""
