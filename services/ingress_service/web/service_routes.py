"""Routes about the service itself: health, readiness, metrics."""

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import HTMLResponse, JSONResponse, Response

from services.ingress_service.web.answers import ReadinessReport
from services.ingress_service.web.context import ingress_of
from services.ingress_service.web.description import docs_page
from services.ingress_service.web.problems import MEDIA_TYPE, build, headers_of, instance_of

router = APIRouter(tags=["service"])


@router.get("/health")
async def health() -> dict[str, str]:
    """The process lives; nothing is touched."""
    return {"status": "ok"}


@router.get(
    "/health/ready",
    response_model=ReadinessReport,
    responses={503: {"description": "Not ready: a problem with `checks`", "content": {MEDIA_TYPE: {}}}},
)
async def ready(request: Request) -> Response:
    """Whether uploads can be taken, check by check."""
    report = await ingress_of(request).readiness.report()
    if report.status == "ready":
        return JSONResponse(report.model_dump())
    failed = ", ".join(f"{check.name}: {check.detail}" for check in report.checks if not check.ok)
    problem = build(503, "not_ready", "The service is not ready", f"{failed}.", instance_of(request))
    content = problem.model_dump() | {"checks": [check.model_dump() for check in report.checks]}
    return JSONResponse(content, 503, headers_of(503), MEDIA_TYPE)


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Metrics in the text form of Prometheus."""
    return Response(ingress_of(request).metrics.render(), media_type=CONTENT_TYPE_LATEST)


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    """The description of the API for people."""
    return HTMLResponse(docs_page.render(request.app.openapi()), headers=docs_page.HEADERS)
