"""What the DAGs wait for."""

from __future__ import annotations

from airflow.sdk import Asset

QUEUE = Asset(name="ingress_queue", uri="ingress://queue")
"""The queue of accepted items; the ingress looks it up by this name to say that something came."""
