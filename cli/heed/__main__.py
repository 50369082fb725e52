"""`python -m heed` is the `heed` command."""

from heed.main import main

main()
