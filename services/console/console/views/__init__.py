"""What a page shows, worked out from what the services said: pure, no clock and no I/O."""
