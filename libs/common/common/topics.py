"""The topics of the bus and the properties they are created with."""

from dataclasses import dataclass, field

CUSTOMER_FACTS = "customer-facts"
IDENTITIES = "identities"
TRIGGERS = "triggers"
TRAINING_EXAMPLES = "training-examples"
MODELS = "models"
DEAD_LETTERS = "dead-letters"

PARTITIONS = 12


@dataclass(frozen=True)
class Topic:
    name: str
    partitions: int
    configs: dict[str, str] = field(default_factory=dict)


_FOR_EVER = {"retention.ms": "-1", "max.message.bytes": "2097152"}
# A record of the largest size, and the headers that say where it came from.
_LARGER = {**_FOR_EVER, "max.message.bytes": "4194304"}

TOPICS = (
    Topic(CUSTOMER_FACTS, PARTITIONS, _FOR_EVER),
    Topic(IDENTITIES, 1, _FOR_EVER),
    Topic(TRIGGERS, PARTITIONS, _FOR_EVER),
    Topic(TRAINING_EXAMPLES, 1, _FOR_EVER),
    Topic(MODELS, 1, _FOR_EVER),
    Topic(DEAD_LETTERS, 1, _LARGER),
)
