"""Simulation of a scenario: world, protocols and the round loop."""
