"""What the service says of itself: the OpenAPI document, and a page that shows it."""
