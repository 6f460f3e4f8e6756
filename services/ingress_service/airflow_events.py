"""Events of the queue's asset in Airflow, which the sweep waits for."""

from __future__ import annotations

from packages.common.airflow_api import AirflowApi, AirflowApiError

ASSET_NAME = "ingress_queue"


class AirflowEvents:
    """Creates events of the queue's asset; for use by one thread."""

    def __init__(self, api: AirflowApi) -> None:
        self._api = api
        self._asset_id: int | None = None

    def post(self) -> None:
        """Create one event, or `AirflowApiError`; an id that Airflow does not know any more is looked up."""
        if self._asset_id is not None and self._api.post_asset_event(self._asset_id):
            return
        self._asset_id = self._api.asset_id(ASSET_NAME)
        if not self._api.post_asset_event(self._asset_id):
            raise AirflowApiError(f"Airflow does not know its own asset {self._asset_id}")

    def close(self) -> None:
        """Close connections."""
        self._api.close()
