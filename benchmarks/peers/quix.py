"""Quix Streams, exactly once: from the first event to the last one processed, its commit not waited for.

`python -m benchmarks.peers.quix BOOTSTRAP TOPIC ALERTS_TOPIC`
"""

import os
import shutil
import sys
import tempfile
import time
from typing import Any

from quixstreams import Application  # type: ignore[import-not-found]

from benchmarks.peers import workload as w


def main(bootstrap: str, topic: str, alerts_topic: str) -> None:
    directory = tempfile.mkdtemp(prefix="quix-state-")
    app = Application(
        broker_address=bootstrap,
        consumer_group=f"quix-{os.getpid()}-{time.time():.0f}",
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        state_dir=directory,
        commit_interval=0.3,
        loglevel="WARNING",
    )
    model, seen, alerts, started = w.model(), 0, 0, 0.0

    def work(event: dict[str, Any], state: Any) -> Any:
        nonlocal seen, alerts, started
        started = started or time.perf_counter()
        new, alert = w.step(state.get("s"), event, model)
        state.set("s", new)
        seen += 1
        alerts += alert is not None
        if seen == w.EVENTS:
            print(f"{seen / (time.perf_counter() - started):.0f} {alerts}", flush=True)
            app.stop()
        return alert

    rows = app.dataframe(app.topic(topic, value_deserializer="json")).apply(work, stateful=True)
    rows = rows[rows.apply(lambda alert: alert is not None)]
    rows.to_topic(app.topic(alerts_topic, value_serializer="json"))
    app.run()
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    w.spare_collections()
    main(*sys.argv[1:])
