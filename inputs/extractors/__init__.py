"""Extractor functions of the configured endpoints."""
