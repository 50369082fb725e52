"""A rule's refusal as the answer of a request."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from common.problems import Problem
from sales.domain import NotAllowed

P = ParamSpec("P")
State = TypeVar("State")


def allowed(rule: Callable[P, State], *args: P.args, **kwargs: P.kwargs) -> State:
    """What the rule decides. Raises Problem 409 where it refuses."""
    try:
        return rule(*args, **kwargs)
    except NotAllowed as error:
        raise Problem(409, f"Not possible: {error}.") from error
