"""Split model, LoRA and data in PyTorch; knows nothing of simulated time or of the radio."""
