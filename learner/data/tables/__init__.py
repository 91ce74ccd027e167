"""Tables of samples in files: their readers, and the origin of each row."""
