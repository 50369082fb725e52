"""The names of all metrics that capture counts, besides the common ones."""

from prometheus_client import Counter, Gauge, Histogram

FACTS = Counter("heed_capture_facts_total", "Facts accepted and safe", ["source", "type"])
DEAD_LETTERS = Counter("heed_capture_dead_letters_total", "Events of a batch set aside as invalid", ["source"])
REFUSED = Counter("heed_capture_refused_total", "Requests refused", ["source", "status"])
HONEYPOT = Counter("heed_capture_honeypot_total", "Leads dropped because a machine filled the hidden field", ["source"])
ADJUSTED = Counter("heed_capture_time_adjusted_total", "Facts whose time gave way to the moment of receipt", ["source"])
SPOOLED = Counter("heed_capture_spooled_total", "Facts put into the outbox because the bus could not be reached")
SPOOLING = Gauge("heed_capture_spooling", "1 while facts queue in the outbox, 0 while they go straight to the bus")
DURABLE = Histogram(
    "heed_capture_durable_seconds",
    "From acceptance to safety, on the bus or in the outbox, of the fact that waited longest in its round",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
UNACKNOWLEDGED = Gauge("heed_capture_unacknowledged_facts", "Facts accepted and not yet safe")
LAST_TICK = Gauge("heed_capture_last_tick_timestamp_seconds", "The moment the last tick told")
