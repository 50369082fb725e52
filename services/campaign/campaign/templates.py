"""Liquid in a sandbox: no files, no endless loops, no growing without end, no more than half a second."""

import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from liquid import BoundTemplate, Environment, RenderContext, Token
from liquid.exceptions import LiquidError, ResourceLimitError

_SECONDS = 0.5
_LOOP_ITERATIONS = 1_000
_OUTPUT_BYTES = 256 * 1024
_SOURCE_BYTES = 64 * 1024
# A filter can make at most as much text as the product of what it gets (`replace`), so that is bounded first.
_FILTER_PRODUCT = 4 * 1024 * 1024


class TemplateError(Exception):
    """The template cannot be read or rendered; the text is for its author."""


class _Context(RenderContext):
    """Looks at the clock wherever a template can spend time."""

    __slots__ = ("_deadline",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = time.monotonic() + _SECONDS

    def get(self, *args: Any, **kwargs: Any) -> object:
        self._check_time()
        return super().get(*args, **kwargs)

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self._check_time()
        super().raise_for_loop_limit(length)

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        self._check_time()
        function = super().filter(name, token)

        def bounded(*args: Any, **kwargs: Any) -> object:
            product = 1
            for value in (*args, *kwargs.values()):
                product *= max(1, len(value)) if isinstance(value, (str, list, tuple, range)) else 1
            if product > _FILTER_PRODUCT:
                raise ResourceLimitError(f"filter {name} is given too much", token=token)
            return function(*args, **kwargs)

        return bounded

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise ResourceLimitError(f"takes longer than {_SECONDS} s", token=None)


class _Template(BoundTemplate):
    context_class: ClassVar[type[RenderContext]] = _Context  # type: ignore[misc]


class _Sandbox(Environment):
    block_nesting_limit = 10
    context_depth_limit = 10
    loop_iteration_limit = _LOOP_ITERATIONS
    local_namespace_limit = 64 * 1024
    output_stream_limit = _OUTPUT_BYTES
    template_class = _Template

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        super().setup_tags_and_filters(extra=extra)
        for tag in ("include", "render"):
            del self.tags[tag]
        del self.filters["safe"]  # what comes from a customer is never markup


_PLAIN = _Sandbox()
_HTML = _Sandbox(autoescape=True)


class Template:
    """A template that was read. Unknown variables render as nothing; `html` escapes every value."""

    def __init__(self, source: str, *, html: bool = False) -> None:
        """Raises TemplateError."""
        if len(source.encode()) > _SOURCE_BYTES:
            raise TemplateError(f"the template is larger than {_SOURCE_BYTES} bytes")
        try:
            self._template = (_HTML if html else _PLAIN).from_string(source)
        except (LiquidError, RecursionError) as error:
            raise TemplateError(f"the template cannot be read: {error}") from error

    def render(self, values: Mapping[str, object]) -> str:
        """Raises TemplateError, also for what Python itself refuses (a number too large, say)."""
        try:
            return self._template.render(values)
        except (LiquidError, ArithmeticError, ValueError, TypeError, RecursionError, MemoryError) as error:
            raise TemplateError(f"the template cannot be rendered: {error}") from error
