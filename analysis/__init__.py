"""Reads run directories; imports nothing of the simulator."""
