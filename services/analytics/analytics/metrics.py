"""The names of all metrics of analytics."""

from prometheus_client import Counter, Gauge, Histogram

FRESHNESS = Histogram(
    "heed_decision_freshness_seconds",
    "From the acceptance of an event to its trigger on the bus",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60),
)
EVENTS = Counter("heed_analytics_events_total", "Records of the log", ["outcome"])
CHECKPOINT = Histogram("heed_analytics_checkpoint_duration_seconds", "Time of one checkpoint's transaction")
TELLING = Histogram("heed_analytics_telling_duration_seconds", "Time of the transaction that tells triggers")
TRIGGERS = Counter("heed_analytics_triggers_total", "Steps of triggers", ["kind", "action"])
FILTERED = Counter("heed_analytics_filtered_total", "Facts that teach nothing, by what they were taken for", ["reason"])
LATE = Counter("heed_analytics_late_events_total", "Events older than the customer's last one")
WIDESPREAD = Counter("heed_analytics_widespread_silence_total", "Times so many fell silent that nobody was alerted")
REBUILT = Histogram(
    "heed_analytics_rebuild_duration_seconds",
    "Time to fold a customer again from the stored facts, after a merge was undone",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
TIME_LAG = Gauge("heed_analytics_event_time_lag_seconds", "How far the log's own clock is behind the machine's")
LAG = Gauge("heed_analytics_lag_records", "Records not yet folded in, by partition", ["partition"])
CUSTOMERS = Gauge("heed_analytics_customers", "Customers known to this process")
MODEL_EXAMPLES = Gauge("heed_model_examples_total", "Examples a model has learned from", ["model"])
MODEL_AUC = Gauge("heed_model_auc", "Progressive area under the ROC curve", ["model"])
MODEL_BRIER = Gauge("heed_model_brier", "Progressive Brier score", ["model"])
MODEL_BASE_RATE = Gauge("heed_model_base_rate", "Share of positive labels seen", ["model"])
