"""Finds extractor functions in the configuration's folder, loaded by file and never through `sys.path`."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from packages.common.extractors.errors import (
    ExtractorMissingError,
    ExtractorRaisedError,
    ExtractorUnloadableError,
)

ExtractorFunction = Callable[..., Any]
MESSAGE_LIMIT = 500  # characters of a foreign exception's text that a reason repeats


class Extractors:
    """The extractor functions of one folder; every module is loaded once in the life of this object.

    A module imports its neighbours relatively (`from . import tools`) or absolutely (`import extract.tools`);
    the latter are found only while its own code runs, so two configurations never see each other's modules.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._package = f"_extractors_{hashlib.sha256(str(self._folder).encode()).hexdigest()[:12]}"
        self._forget()

    def function(self, fn_module: str | None, extract_fn: str) -> ExtractorFunction:
        """Load the function `extract_fn` of the module `fn_module` (dots lead into folders).

        Raises:
            ExtractorMissingError: no such module, or no function in it that takes payload and metadata.
            ExtractorUnloadableError: the module fails on import.
        """
        module = self._module(fn_module, extract_fn)
        function = getattr(module, extract_fn, None)
        if not callable(function):
            raise ExtractorMissingError(f"module {fn_module} has no function {extract_fn}")
        _require_parameters(f"{fn_module}.{extract_fn}", function)
        return function  # type: ignore[no-any-return]

    def call(self, name: str, function: ExtractorFunction, *arguments: object) -> object:
        """Run an extractor; what it raises becomes an `ExtractorRaisedError` with its place.

        A `MemoryError` stays one.
        """
        try:
            with self._neighbours():
                return function(*arguments)
        except MemoryError:
            raise
        except (Exception, SystemExit) as error:
            raise ExtractorRaisedError(f"{name} raised {self._summary(error)}") from error

    def _module(self, fn_module: str | None, extract_fn: str) -> ModuleType:
        if not fn_module:
            raise ExtractorMissingError(f"extract_fn {extract_fn} is set without fn_module")
        self._require_file(fn_module)
        try:
            with self._neighbours():
                return importlib.import_module(f"{self._package}.{fn_module}")
        except (Exception, SystemExit) as error:
            raise ExtractorUnloadableError(
                f"module {fn_module} cannot be loaded: {self._summary(error)}"
            ) from error

    def _require_file(self, fn_module: str) -> None:
        parts = fn_module.split(".")
        if not all(part.isidentifier() for part in parts):
            raise ExtractorMissingError(f"fn_module {fn_module!r} is not a dotted module name")
        plain = self._folder.joinpath(*parts).with_suffix(".py")
        if not plain.is_file() and not (plain.with_suffix("") / "__init__.py").is_file():
            raise ExtractorMissingError(
                f"module {fn_module} is not there: the configuration's folder has no {'/'.join(parts)}.py"
            )

    def _forget(self) -> None:
        """Drop what an earlier object loaded from this folder, so that edited files are read again."""
        importlib.invalidate_caches()
        for name in [name for name in sys.modules if name.partition(".")[0] == self._package]:
            del sys.modules[name]
        package = ModuleType(self._package)
        package.__path__ = [str(self._folder)]
        sys.modules[self._package] = package

    @contextmanager
    def _neighbours(self) -> Iterator[None]:
        before = set(sys.modules)
        elsewhere = [path for path in map(Path, sys.path) if path.resolve().is_relative_to(self._folder)]
        sys.path.insert(0, str(self._folder))
        try:
            yield
        finally:
            sys.path.remove(str(self._folder))
            for name in [name for name in sys.modules if name not in before]:
                if self._owns(sys.modules[name], elsewhere):
                    del sys.modules[name]

    def _owns(self, module: ModuleType, elsewhere: list[Path]) -> bool:
        """Whether a module is a neighbour found by its absolute name, and not one that anybody may import."""
        if module.__name__.partition(".")[0] == self._package:
            return False
        places = [getattr(module, "__file__", None), *(getattr(module, "__path__", None) or ())]
        return any(
            Path(place).is_relative_to(self._folder) and not any(map(Path(place).is_relative_to, elsewhere))
            for place in places
            if isinstance(place, str)
        )

    def _summary(self, error: BaseException) -> str:
        text = str(error)
        short = text if len(text) <= MESSAGE_LIMIT else f"{text[:MESSAGE_LIMIT]}…"
        return f"{type(error).__name__}: {short}{self._place(error)}"

    def place_of(self, frame: FrameType) -> str:
        """Which line of the folder's files a thread is at, or has called from; empty where it is at none."""
        return self._last_own(traceback.extract_stack(frame))

    def _place(self, error: BaseException) -> str:
        return self._last_own(traceback.extract_tb(error.__traceback__))

    def _last_own(self, stack: traceback.StackSummary) -> str:
        own = [frame for frame in stack if Path(frame.filename).is_relative_to(self._folder)]
        return f" ({Path(own[-1].filename).name} line {own[-1].lineno})" if own else ""


def wants_bytes(function: ExtractorFunction) -> bool:
    """Whether a function takes `(payload: bytes, metadata: dict)`, not `(parsed_json, dataframe_row)`."""
    return not {"payload", "metadata"}.isdisjoint(parameters(function))


def parameters(function: ExtractorFunction) -> list[str]:
    """Names of the parameters that are filled by position."""
    by_position = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in inspect.signature(function).parameters.values() if p.kind in by_position]


def _require_parameters(name: str, function: ExtractorFunction) -> None:
    try:
        inspect.signature(function).bind(*range(min(2, max(1, len(parameters(function))))))
    except TypeError as error:
        raise ExtractorMissingError(f"{name} does not take (payload, metadata): {error}") from None
