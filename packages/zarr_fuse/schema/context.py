"""Where in a schema something stands, so that every message can name the place."""

from __future__ import annotations

import difflib
import logging
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from zarr_fuse.errors import SchemaError, SchemaWarning

Key = str | int
P = ParamSpec("P")
Made = TypeVar("Made")
Other = TypeVar("Other")


def default_logger() -> logging.Logger:
    """The logger for callers that want schema warnings logged instead of issued as `SchemaWarning`."""
    return logging.getLogger("zarr_fuse.schema")


@dataclass(frozen=True)
class Problem:
    """Something wrong or doubtful in a document; the message starts with the place."""

    severity: Literal["error", "warning"]
    message: str


@dataclass(frozen=True)
class SchemaCtx:
    """A place in a schema document, such as `river.yaml:upper/VARS/stage/unit`.

    Warnings go to `logger`, or to `warnings.warn` as `SchemaWarning` where it is None. `stored` marks what
    was read back from a store: what an older writer put there is worth a warning, not an error. Where
    `problems` is a list, errors and warnings are kept there instead, and reading goes on.
    """

    addr: tuple[Key, ...] = ()
    file: str | None = None
    logger: logging.Logger | None = None
    stored: bool = False
    problems: list[Problem] | None = field(default=None, compare=False, repr=False)

    @property
    def path(self) -> str:
        """The keys from the root of the document, joined by slashes."""
        return "/".join(map(str, self.addr))

    @property
    def folder(self) -> Path:
        """The folder of the schema file, else the current one."""
        return Path(self.file).parent if self.file else Path()

    def __str__(self) -> str:
        return f"{self.file or '<schema>'}:{self.path}".removesuffix(":")

    def dive(self, *keys: Key) -> SchemaCtx:
        """The place below this one."""
        return replace(self, addr=(*self.addr, *keys))

    def parent(self) -> SchemaCtx:
        """The place above this one."""
        return replace(self, addr=self.addr[:-1])

    def as_stored(self) -> SchemaCtx:
        """The same place, known to be written by a store."""
        return replace(self, stored=True)

    def error(self, message: str, kind: type[SchemaError] = SchemaError) -> SchemaError:
        """The exception to raise for this place."""
        return kind(f"{self}: {message}")

    def warning(self, message: str) -> None:
        """Tell that this place is understood but should be written differently."""
        if self.problems is not None:
            self.problems.append(Problem("warning", f"{self}: {message}"))
        elif self.logger is None:
            warnings.warn(f"{self}: {message}", SchemaWarning, stacklevel=2)
        else:
            self.logger.warning("%s: %s", self, message)

    def keep(self, error: SchemaError) -> None:
        """Keep an error where problems are kept, else raise it."""
        if self.problems is None:
            raise error
        self.problems.append(Problem("error", error.message))

    def tried(
        self, otherwise: Other, make: Callable[P, Made], *args: P.args, **kwargs: P.kwargs
    ) -> Made | Other:
        """What `make` returns, or `otherwise` after an error where problems are kept."""
        try:
            return make(*args, **kwargs)
        except SchemaError as error:
            self.keep(error)
        return otherwise

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """Go on after an error inside where problems are kept."""
        try:
            yield
        except SchemaError as error:
            self.keep(error)


@dataclass(frozen=True)
class ContextCfg:
    """A part of a raw document together with its place."""

    cfg: Any
    schema_ctx: SchemaCtx

    def value(self) -> Any:  # noqa: ANN401
        """The raw value."""
        return self.cfg

    def __getitem__(self, key: Key) -> ContextCfg:
        return ContextCfg(self.cfg[key], self.schema_ctx.dive(key))

    def __contains__(self, key: object) -> bool:
        return key in self.cfg

    def __iter__(self) -> Iterator[Key]:
        return iter(self.cfg)

    def get(self, key: Key, default: object = None) -> ContextCfg:
        """The part below `key`, or the default at the same place."""
        found = self.cfg[key] if self.cfg is not None and key in self.cfg else default
        return ContextCfg(found, self.schema_ctx.dive(key))


def nearest(key: object, known: Iterable[str]) -> str:
    """A hint such as `; did you mean 'unit'? (allowed: …)`."""
    names = sorted(known)
    close = difflib.get_close_matches(str(key).lower(), names, n=1, cutoff=0.5)
    guess = f"; did you mean {close[0]!r}?" if close else ";"
    return f"{guess} allowed: {', '.join(names)}"
