"""What lies in a store: its layout, its arrays, and those of older generations."""
