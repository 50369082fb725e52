"""The subcommands of `heed`, one module each."""
