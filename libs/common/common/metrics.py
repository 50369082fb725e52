"""The names of all metrics that common code counts. Base units; no ids in labels."""

from prometheus_client import Counter, Gauge, Histogram

HTTP_REQUESTS = Counter("heed_http_requests_total", "HTTP requests answered", ["method", "route", "status"])
HTTP_DURATION = Histogram(
    "heed_http_request_duration_seconds",
    "Time to answer an HTTP request",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
CONSUMED = Counter("heed_consumer_records_total", "Records taken from the bus", ["group", "outcome"])
CONSUMER_BATCH = Histogram("heed_consumer_batch_duration_seconds", "Time to apply one batch", ["group"])
CONSUMER_LAG = Gauge("heed_consumer_lag_records", "Records not yet taken", ["group", "topic", "partition"])
CONSUMER_RETRIES = Counter("heed_consumer_retries_total", "Batches put back after a transient failure", ["group"])
DEAD_LETTERS = Counter("heed_dead_letters_total", "Records set aside as invalid", ["group"])
RELAY_PUBLISHED = Counter("heed_relay_published_total", "Outbox rows published")
OUTBOX_ROWS = Gauge("heed_outbox_rows", "Outbox rows not yet published")
OUTBOX_OLDEST_AGE = Gauge("heed_outbox_oldest_age_seconds", "Age of the oldest outbox row not yet published")
