"""The way of an upload: received, unpacked, checked, held, and made durable."""
