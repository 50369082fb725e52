"""The topics of the bus, as docs/interfaces.md names them."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError

PARTITIONS = {
    "customer-facts": 12,
    "triggers": 12,
    "training-examples": 1,
    "models": 1,
    "dead-letters": 1,
}
# The log is the truth that replay and rebuilding rest on, so age removes nothing.
TOPIC_CONFIG = {"retention.ms": "-1", "cleanup.policy": "delete"}


async def create_topics(bootstrap: str, prefix: str, timeout: float = 30) -> None:
    """Create the topics that are missing.

    Raises:
        KafkaError: the broker cannot be reached within `timeout` seconds, or refuses.
    """
    admin = await _connect(bootstrap, timeout)
    try:
        wanted = {f"{prefix}.{name}": count for name, count in PARTITIONS.items()}
        missing = wanted.keys() - set(await admin.list_topics())
        topics = [NewTopic(name, wanted[name], 1, topic_configs=TOPIC_CONFIG) for name in sorted(missing)]
        if topics:
            _raise_refusals(await admin.create_topics(topics, timeout_ms=int(timeout * 1000)))
    finally:
        await admin.close()


async def delete_topics(bootstrap: str, prefix: str) -> None:
    """Delete this prefix's topics, where they exist."""
    admin = await _connect(bootstrap, 10)
    try:
        topics = [name for name in await admin.list_topics() if name.startswith(f"{prefix}.")]
        if topics:
            await admin.delete_topics(topics)
    finally:
        await admin.close()


async def _connect(bootstrap: str, timeout: float) -> AIOKafkaAdminClient:
    deadline = asyncio.get_running_loop().time() + timeout
    while True:
        admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
        try:
            await admin.start()
        except KafkaConnectionError:
            await admin.close()
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            return admin


def _raise_refusals(response: object) -> None:
    for topic, code, message, *_ in getattr(response, "topic_errors", []):
        if code not in (0, TopicAlreadyExistsError.errno):
            raise KafkaError(f"topic {topic}: {message or code}")
