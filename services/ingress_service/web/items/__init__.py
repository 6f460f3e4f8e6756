"""The items of the queue, found by their keys and shown with what became of them."""
