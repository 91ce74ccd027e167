"""Simulation of NR's block error rates, from which `netsim/link/nr/bler.csv` is fitted."""
