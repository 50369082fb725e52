"""What campaign counts. Base units; no ids in labels."""

from prometheus_client import Counter, Gauge

MESSAGES = Counter(
    "heed_campaign_messages_settled_total", "Messages that reached this status", ["journey", "step", "status"]
)
WAITING = Gauge("heed_campaign_messages", "Messages in this status now", ["status"])
ENROLMENTS = Counter("heed_campaign_enrolments_total", "Enrolments that began or ended", ["journey", "outcome"])
SMTP_UNREACHABLE = Counter("heed_campaign_smtp_unreachable_total", "Times the mail server could not be reached")
SENDER = Gauge("heed_campaign_sender", "1 while this process is the one that sends")
