"""Use cases: load, decide, write rows, emit. The edge that calls them commits."""
