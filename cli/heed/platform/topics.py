"""Creates the topics of the bus."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaConnectionError, KafkaError, TopicAlreadyExistsError

from common.topics import TOPICS


async def create_topics(bootstrap: str, prefix: str, patience: float = 30) -> None:
    """Create the topics that are missing.

    Raises:
        KafkaError: the broker cannot be reached within `patience` seconds, or refuses.
    """
    admin = await _connect(bootstrap, patience)
    try:
        wanted = {f"{prefix}.{topic.name}": topic for topic in TOPICS}
        missing = wanted.keys() - set(await admin.list_topics())
        topics = [NewTopic(n, wanted[n].partitions, 1, topic_configs=wanted[n].configs) for n in sorted(missing)]
        if topics:
            _raise_refusals(await admin.create_topics(topics, timeout_ms=int(patience * 1000)))
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


async def _connect(bootstrap: str, patience: float) -> AIOKafkaAdminClient:
    deadline = asyncio.get_running_loop().time() + patience
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
