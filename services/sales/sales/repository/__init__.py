"""Every SQL statement of sales, but those of the stream (`sequencer`, `feed`)."""
