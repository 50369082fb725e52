"""The operators: pure over (profile, event or timer, world). No clock, no I/O, no framework."""
