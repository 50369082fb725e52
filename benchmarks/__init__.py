"""What Heed achieves on this machine, as figures that anybody can measure again: `python -m benchmarks --help`."""
