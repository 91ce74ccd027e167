"""Files of run directories and stores: checked names, refused links, bounds, URLs."""
