"""The plugin of Airflow: a page over the queue under Browse, and a scheduler whose tasks start quickly."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import Any

from airflow.listeners import hookimpl
from airflow.sdk.plugins_manager import AirflowPlugin

Message = MutableMapping[str, Any]


class LazyPage:
    """The page, built by its first request: every task loads the plugins, only the API server shows it."""

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Answer one request."""
        await self._app(scope, receive, send)

    @cached_property
    def _app(self) -> Any:  # noqa: ANN401 - a FastAPI application, not imported before it is needed
        from services.extractor_service.plugins.queue_page.app import create_app

        return create_app()


class Preloading:
    """Imports the pipeline in a scheduler that forks its tasks: each then starts a second earlier."""

    @hookimpl  # type: ignore[untyped-decorator]
    def on_starting(self, component: object) -> None:
        """Called before the scheduler starts its executor; what starts is not told yet, its command is."""
        from airflow.configuration import conf

        is_job = type(component).__name__ == "Job"
        if is_job and sys.argv[1:2] == ["scheduler"] and "LocalExecutor" in conf.get("core", "executor"):
            import services.extractor_service.sweep  # noqa: F401


class IngressQueuePlugin(AirflowPlugin):  # type: ignore[misc]
    """What Airflow finds here."""

    name = "ingress_queue"
    fastapi_apps = [{"name": "ingress queue", "app": LazyPage(), "url_prefix": "/ingress-queue"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Ingress queue",
            "href": "ingress-queue/",
            "destination": "nav",
            "category": "browse",
            "url_route": "ingress-queue",
        }
    ]
    listeners = [Preloading()]  # noqa: RUF012
