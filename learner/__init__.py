"""Split model, LoRA and data in PyTorch, without simulated time or radio."""
