"""Connections and the requests on them, before any route sees them."""
