"""History through the operators, in event time and without any server."""
