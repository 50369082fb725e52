"""HTTP routes for those who work with campaigns: requests in, answers out."""

from collections.abc import Mapping
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from sqlalchemy.ext.asyncio import AsyncSession

from campaign import domain, schemas
from campaign.composer import Composer
from campaign.domain import Outcome, Status
from campaign.journeys import Plan
from campaign.models import ContactRow, EnrolmentRow, MessageRow
from campaign.repository import contacts, enrolments, messages
from campaign.templates import TemplateError
from common.application import Transaction
from common.auth import require
from common.problems import Problem, not_found

_SEES = Depends(require("marketing", "manager", "sales", "support", "service"))
_NOTHING = dict.fromkeys(messages.COUNTED, 0)

Limit = Annotated[int, Query(ge=1, le=200)]
Plans = Mapping[str, Plan]


def router(plans: Plans, composer: Composer) -> APIRouter:
    routes = APIRouter(prefix="/v1", dependencies=[_SEES])

    @routes.get("/journeys", tags=["journeys"])
    async def list_journeys(session: Transaction) -> schemas.Journeys:
        return schemas.Journeys(items=await _funnels(session, plans))

    @routes.get("/journeys/{slug}/enrolments", tags=["journeys"])
    async def list_enrolments(
        slug: str,
        session: Transaction,
        status: Literal["live", "ended", "all"] = "all",
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> schemas.EnrolmentPage:
        _plan(plans, slug)
        live = None if status == "all" else status == "live"
        found = await enrolments.search(session, slug, live=live, limit=limit, cursor=cursor)
        names = await contacts.names(session, (row.customer for row in found.items))
        return schemas.EnrolmentPage(
            items=[_enrolment(row, names.get(row.customer)) for row in found.items], next=found.next
        )

    @routes.get("/journeys/{slug}/steps/{step}/preview", tags=["journeys"])
    async def preview(
        slug: str, step: str, session: Transaction, contact: schemas.CustomerKey | None = None
    ) -> schemas.Preview:
        creative = _plan(plans, slug).creatives.get(step)
        known = await contacts.find(session, contact) if contact else ContactRow(customer="", traits={})
        if creative is None or known is None:
            raise not_found("e-mail step" if creative is None else "contact")
        try:
            return schemas.Preview.model_validate(composer.compose(creative, known), from_attributes=True)
        except TemplateError as error:
            raise Problem(422, f"This message cannot be written: {error}") from error

    @routes.get("/messages", tags=["messages"])
    async def list_messages(
        session: Transaction,
        contact: schemas.CustomerKey | None = None,
        status: Status | None = None,
        limit: Limit = 50,
        cursor: str | None = None,
    ) -> schemas.MessagePage:
        customer = await contacts.now_is(session, contact) if contact else None
        found = await messages.search(session, customer=customer, status=status, limit=limit, cursor=cursor)
        return schemas.MessagePage(items=[_message(row) for row in found.items], next=found.next)

    return routes


def _plan(plans: Plans, slug: str) -> Plan:
    plan = plans.get(slug)
    if plan is None:
        raise not_found("journey")
    return plan


async def _funnels(session: AsyncSession, plans: Plans) -> list[schemas.Journey]:
    outcomes = await enrolments.outcomes(session)
    entered = await enrolments.entered(session)
    funnel = await messages.funnel(session)
    journeys = []
    for slug, plan in plans.items():
        journey, counts = plan.journey, outcomes.get(slug, {})
        steps = [
            _step(step, entered.get((slug, step.id), 0), funnel.get((slug, step.id), _NOTHING))
            for step in journey.steps.values()
        ]
        journeys.append(
            schemas.Journey(
                slug=slug,
                name=journey.name,
                trigger_kinds=sorted(journey.trigger_kinds),
                active=journey.active,
                steps=steps,
                enrolled=sum(counts.values()),
                ended={Outcome(name): count for name, count in counts.items() if name},
            )
        )
    return journeys


def _step(step: domain.Step, entered: int, counts: Mapping[str, int]) -> schemas.Step:
    return schemas.Step(id=step.id, kind=type(step).__name__.lower(), title=step.title, entered=entered, **counts)


def _enrolment(row: EnrolmentRow, name: str | None) -> schemas.Enrolment:
    fields = {field: getattr(row, field) for field in schemas.Enrolment.model_fields if field != "name"}
    return schemas.Enrolment(**fields, name=name)


def _message(row: MessageRow) -> schemas.Message:
    fields = {field: getattr(row, field) for field in schemas.Message.model_fields if field != "contact"}
    return schemas.Message(**fields, contact=row.customer)
