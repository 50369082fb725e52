"""Use cases: load, decide, write rows, emit. The edge that calls them commits."""

from campaign.service.contacts import Contacts
from campaign.service.enrolments import Enrolments
from campaign.service.outgoing import Letterbox
from campaign.service.responses import Responses

__all__ = ["Contacts", "Enrolments", "Letterbox", "Responses"]
