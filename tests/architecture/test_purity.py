"""Deciders are pure: no clock, no I/O, no framework. Checked on the syntax tree, so it holds for paths no test runs."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FORBIDDEN_MODULES = {
    "aiokafka",
    "asyncio",
    "asyncpg",
    "fastapi",
    "httpx",
    "logging",
    "os",
    "pathlib",
    "socket",
    "sqlalchemy",
    "starlette",
    "structlog",
    "subprocess",
    "threading",
    "time",
    "prometheus_client",
}
FORBIDDEN_CALLS = {
    "now",
    "utcnow",
    "today",
    "monotonic",
    "perf_counter",
    "open",
    "print",
    "input",
    "sleep",
    "urandom",
    "uuid4",
}


def pure_files() -> list[Path]:
    services = ROOT / "services"
    domain = [*services.glob("*/*/domain.py"), *services.glob("*/*/domain/*.py")]
    analytics = services / "analytics" / "analytics"
    names = [
        "profile",
        "fold",
        "episodes",
        "timers",
        "visits",
        "standing",
        "trial",
        "collecting",
        "merging",
        "separating",
        "ledger",
    ]
    own = [*(analytics / f"{name}.py" for name in names), *(analytics / "queries").glob("*.py")]
    return sorted([*domain, *own, *(analytics / "operators").glob("*.py")])


@pytest.mark.parametrize("path", pure_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_deciders_see_no_clock_and_do_no_io(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert _imports(tree) & FORBIDDEN_MODULES == set()
    assert _calls(tree) & FORBIDDEN_CALLS == set()


def test_there_is_something_to_check() -> None:
    assert len(pure_files()) >= 12


def _imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def _calls(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            target = node.func
            names.add(target.attr if isinstance(target, ast.Attribute) else getattr(target, "id", ""))
    return names
