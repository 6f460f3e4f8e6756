"""Takes measurements in, over HTTP and by scheduled scrapes, and queues them durably."""
