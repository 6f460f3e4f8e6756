"""What the service tells those who watch it: metrics, traces, and the depth of the queue."""
