"""What the services and the command line share: configuration, queue, object storage, payload checks."""
