"""Logs are JSON lines whoever writes them; a library that says the same again and again is heard once."""

import json
import subprocess
import sys

from common.telemetry import current_traceparent, handling, serving
from common.testing.effects import fact

_TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_PROGRAM = """
import logging, structlog
from common import telemetry
from common.testing.effects import fact
telemetry.configure_logs("sales", "INFO")
log = structlog.get_logger()
log.debug("too quiet")
with telemetry.handling(fact(1)):
    log.info("said", amount=3)
for _ in range(5):
    logging.getLogger("aiokafka").error("Unable connect to %s", "broker")
logging.getLogger("uvicorn.error").warning("another")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("asyncio").exception("Task exception was never retrieved")
"""


def test_every_line_is_json_and_repeats_are_dropped() -> None:
    done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("said", "info"),
        ("Unable connect to broker", "error"),
        ("another", "warning"),
        ("Task exception was never retrieved", "error"),
    ]
    assert {line["service"] for line in lines} == {"sales"}
    assert lines[0]["correlation_id"] == "chain"
    assert lines[0]["amount"] == 3
    assert [line["logger"] for line in lines[1:]] == ["aiokafka", "uvicorn.error", "asyncio"]
    assert "ZeroDivisionError" in lines[3]["exception"]


def test_a_trace_goes_on_from_the_caller_to_what_is_emitted() -> None:
    assert current_traceparent() is None
    with serving("POST", "/v1/tickets", {"traceparent": _TRACE}):
        assert str(current_traceparent()).split("-")[1] == _TRACE.split("-")[1]
    from dataclasses import replace

    with handling(replace(fact(1), traceparent=_TRACE)):
        assert str(current_traceparent()).split("-")[1] == _TRACE.split("-")[1]
    with serving("POST", "/", {"traceparent": "nonsense"}):
        assert current_traceparent() is None
