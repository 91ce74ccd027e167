"""Radio and simulated time in NumPy and SimPy; knows nothing of learning."""
