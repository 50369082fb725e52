"""`heed import orders`, cut off in the middle: the same command goes on, and nothing arrives twice."""

import asyncio
import csv
import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from common.keys import entity_key
from heed.platform.stack import Stack
from heed.provision import Access

CUSTOMERS, ORDERS = 40, 75
PATIENCE_SECONDS = 90.0


def _write(path: Path) -> None:
    start = datetime(2024, 1, 1, 9, tzinfo=UTC)
    with path.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["who", "when", "no", "sku", "n", "price"])
        for i in range(ORDERS):
            for customer in range(CUSTOMERS):
                at = (start + timedelta(days=3 * i, minutes=customer)).isoformat()
                writer.writerow([f"import-{customer}", at, f"I{customer}-{i}", "A", 2, "10.00"])
                writer.writerow([f"import-{customer}", at, f"I{customer}-{i}", "B", 1, "5.50"])


def _command(file: Path) -> list[str]:
    columns = [
        "--customer",
        "who",
        "--time",
        "when",
        "--order",
        "no",
        "--sku",
        "sku",
        "--quantity",
        "n",
        "--price",
        "price",
    ]
    return [sys.executable, "-m", "heed", "import", "orders", str(file), *columns]


def _cut_off_once_under_way(command: list[str], environ: dict[str, str], state: Path) -> None:
    """Kills the import after its first acknowledged request."""
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as running:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until and running.poll() is None:
            if any(json.loads(path.read_text())["posted"] for path in state.glob("*.json")):
                running.kill()
                return
            time.sleep(0.005)


async def test_an_import_that_was_cut_off_goes_on(stack: Stack, access: Access, tmp_path: Path) -> None:
    file = tmp_path / "orders.csv"
    _write(file)
    environ = {
        "HEED_HOME": str(tmp_path),
        "LEAD_CAPTURE_URL": stack.url("lead_capture"),
        "SERVER_KEY": access.server_key,
        "PATH": "/usr/bin:/bin",
    }
    await asyncio.to_thread(_cut_off_once_under_way, _command(file), environ, tmp_path / "imports")

    done = await asyncio.to_thread(
        subprocess.run, _command(file), env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"{CUSTOMERS * ORDERS:,}" in done.stdout

    headers = {"Authorization": f"Bearer {access.api_token}"}
    async with httpx.AsyncClient(base_url=stack.url("analytics"), headers=headers, trust_env=False) as client:
        for customer in range(CUSTOMERS):
            profile = await _settled(client, entity_key("c", "user_id", f"import-{customer}"))
            assert profile["orders"] == ORDERS
            assert profile["spend"] == [{"amount": f"{ORDERS * 25.5:.2f}", "currency": "GBP"}]
            assert profile["mean_gap_days"] == 3.0
            assert profile["open_triggers"] == []


async def _settled(client: httpx.AsyncClient, key: str) -> dict[str, object]:
    """The profile once all orders are in it; more than that would be seen as well."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            answer = await client.get(f"/v1/customers/{key}")
            if answer.status_code == 200 and answer.json()["orders"] >= ORDERS:
                found: dict[str, object] = answer.json()
                return found
            await asyncio.sleep(0.2)
