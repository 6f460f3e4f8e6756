"""Object storage: opened by its address, counted, and asked what it can do."""
