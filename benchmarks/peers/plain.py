"""The workload in a loop, without any engine: what the operators themselves cost. `python -m benchmarks.peers.plain`"""

import time

import orjson

from benchmarks.peers import workload as w


def main() -> None:
    bodies, model, alerts = [value for _, value in w.events()], w.model(), 0
    states: dict[str, w.State] = {}
    started = time.perf_counter()
    for body in bodies:
        event = orjson.loads(body)
        states[event["customer"]], alert = w.step(states.get(event["customer"]), event, model)
        alerts += alert is not None
    print(f"{w.EVENTS / (time.perf_counter() - started):.0f} {alerts}", flush=True)


if __name__ == "__main__":
    w.spare_collections()
    main()
