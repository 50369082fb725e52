"""The rules of capture: pure, without clock, I/O or framework."""

from lead_capture.domain.identity import customer_key, normalise, strongest
from lead_capture.domain.ids import fact_id, namespace_of
from lead_capture.domain.moment import event_time, parse_moment, skew_corrected
from lead_capture.domain.money import amount

__all__ = [
    "amount",
    "customer_key",
    "event_time",
    "fact_id",
    "namespace_of",
    "normalise",
    "parse_moment",
    "skew_corrected",
    "strongest",
]
