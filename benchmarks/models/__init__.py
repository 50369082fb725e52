"""The figures of the models, on real logs that are read from a folder given by setting."""
