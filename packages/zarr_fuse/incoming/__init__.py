"""What a caller brings: frames, grids and datasets, on their way into a node."""
