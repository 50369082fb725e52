"""`heed import`: history from files, posted through the public API."""
