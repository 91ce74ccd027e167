"""Learned schedulers: environments of Gymnasium and PettingZoo, and trained agents as policies."""
