"""One workload, several engines; each is a program that prints events per second and the alerts it found."""
