"""Scheduled fetches whose answers become items, as if somebody had uploaded them."""
