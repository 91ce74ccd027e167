"""Scenarios, and the protocol that couples the radio to the learner."""
