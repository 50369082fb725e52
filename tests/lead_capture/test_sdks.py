"""The SDKs that people already have post unchanged."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import rudderstack.analytics as rudderstack
from segment.analytics.client import Client as SegmentClient

NODE = Path(__file__).parent / "node"
KINDS = ["alias", "group", "identify", "page", "screen", "track"]


def kinds(capture: Any, source: str) -> list[str]:
    assert capture.dead_letters(source) == []
    return sorted(fact.data.get("kind", fact.type) for fact in capture.facts(source))


@pytest.mark.parametrize("gzip", [False, True])
def test_segment_python(capture: Any, gzip: bool) -> None:
    source, failures = f"segment-python-{gzip}", []
    client = SegmentClient(
        capture.add_key("server", source), host=capture.url, gzip=gzip, on_error=lambda *error: failures.append(error)
    )
    client.identify("u1", {"email": "Ada@Example.com"})
    client.track("u1", "Clicked", {"button": "buy"})
    client.page("u1", "Docs", "Pricing", {"url": "https://shop.example/pricing"})
    client.screen("u1", "App", "Home")
    client.group("u1", "acme", {"name": "Acme"})
    client.alias("anonymous", "u1")
    client.track("u1", "Order Completed", {"order_id": "python-1", "total": 5, "currency": "GBP", "products": []})
    client.flush()
    client.join()
    assert failures == []
    assert kinds(capture, source) == sorted([*KINDS, "heed.order.placed.v1"])
    assert {"user_id": "u1", "email": "ada@example.com"} in [f.data["identifiers"] for f in capture.facts(source)]


def test_rudderstack_python(capture: Any) -> None:
    source, failures = "rudderstack-python", []
    client = rudderstack.Client(
        capture.add_key("server", source), host=capture.url, on_error=lambda *error: failures.append(error)
    )
    client.identify("u1", {"email": "Ada@Example.com"})
    client.track("u1", "Clicked", {"button": "buy"})
    client.page("u1", "Docs", "Pricing")
    client.screen("u1", "App", "Home")
    client.group("u1", "acme", {"name": "Acme"})
    client.alias("anonymous", "u1")
    client.flush()
    client.join()
    assert failures == []
    assert kinds(capture, source) == KINDS


@pytest.fixture(scope="module")
def packages() -> None:
    """The Node SDKs, as the lock file names them."""
    if not shutil.which("npm"):
        pytest.fail("npm is needed: apt-get install npm")
    if not (NODE / "node_modules" / ".package-lock.json").exists():
        # No lock: npm finds a lock without registry addresses out of step with this tree's optional packages.
        options = ["--omit=optional", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(["npm", "install", *options], cwd=NODE, check=True)


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize("sdk", ["segment", "rudderstack"])
def test_node(capture: Any, sdk: str) -> None:
    source = f"{sdk}-node"
    command = ["node", "post.mjs", sdk, capture.url, capture.add_key("server", source)]
    done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert kinds(capture, source) == sorted([*KINDS, "heed.order.placed.v1"])
    order = next(fact for fact in capture.facts(source) if fact.type == "heed.order.placed.v1")
    assert (order.data["order_id"], order.data["total"]) == (f"node-{sdk}", "12.5")
