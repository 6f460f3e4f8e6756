"""The dependency that names the caller of a route, and documents how to authenticate."""

from typing import Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBase
from fastapi.security.base import SecurityBase

from services.ingress_service.web.context import ingress_of
from services.ingress_service.web.users import User


class BasicAuth(SecurityBase):
    """HTTP Basic as a FastAPI security scheme; the work is done by the `Authenticator`."""

    def __init__(self) -> None:
        self.model = HTTPBase(scheme="basic")
        self.scheme_name = "basic"

    async def __call__(self, request: Request) -> User:
        """Authenticate the request; raises NotAuthenticatedError."""
        user = await ingress_of(request).authenticator.authenticate(request.headers.get("authorization"))
        request.state.user = user.name
        return user


Caller = Annotated[User, Depends(BasicAuth())]
