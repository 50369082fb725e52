"""A journey's steps as bars, each as wide as its share of those who entered the journey."""

from dataclasses import dataclass

from console.clients.campaign import Journey, JourneyStep


@dataclass(frozen=True)
class Stage:
    label: str
    count: int
    share: float  # of those enrolled, per cent
    tone: str


@dataclass(frozen=True)
class FunnelStep:
    step: JourneyStep
    stages: list[Stage]
    troubles: list[Stage]


def funnel(journey: Journey) -> list[FunnelStep]:
    base = max([journey.enrolled, *(step.entered for step in journey.steps)], default=0)
    return [_step(step, base) for step in journey.steps]


def _step(step: JourneyStep, base: int) -> FunnelStep:
    def stage(label: str, count: int, tone: str) -> Stage:
        return Stage(label, count, round(100 * count / base, 1) if base else 0.0, tone)

    stages = [stage("Entered", step.entered, "plain")]
    if step.kind == "email":
        names = (("Sent", step.sent), ("Opened", step.opened), ("Clicked", step.clicked), ("Bought", step.converted))
        stages += [stage(label, count, "good" if label == "Bought" else "accent") for label, count in names]
    troubles = [
        stage(label, count, tone)
        for label, count, tone in (
            ("Suppressed", step.suppressed, "plain"),
            ("Failed", step.failed, "bad"),
            ("Unknown", step.unknown, "bad"),
        )
        if count
    ]
    return FunnelStep(step, stages, troubles)
