"""Why something was decided: what is stored is enough to compute the same number again."""

import pytest

from analytics.fold import Fold
from analytics.operators import BY_SLUG
from analytics.operators.base import Adopted
from analytics.orders import DAY
from common.envelope import Envelope
from tests.analytics.conftest import Client, Eventually, Tell
from tests.analytics.stories import START, order, regular
from tests.analytics.test_fold import story


async def test_a_decision_is_shown_with_its_reasons_and_computed_again(
    client: Client, tell: Tell, eventually: Eventually
) -> None:
    sales = client("sales")
    await tell([*regular("c_spender", 12, 7), order("c_spender", START + 12 * 7 * DAY, 900.0)])

    async def decided() -> list[dict[str, object]]:
        return (await sales.get("/v1/decisions", params={"customer": "c_spender"})).json()["items"]  # type: ignore[no-any-return]

    (listed,) = await eventually(decided)
    shown = (await sales.get(f"/v1/decisions/{listed['id']}")).json()

    assert (shown["action"], shown["kind"], shown["customer"]) == ("raised", "spend_deviation", "c_spender")
    assert shown["reasons"]
    assert shown["features"]
    assert shown["log"]["offset"] >= 0
    assert shown["check"] == {
        "score": shown["score"],
        "same": True,
        "text": "Computed again from what was stored: the same.",
    }
    assert (await sales.get("/v1/decisions/nobody")).status_code == 404


@pytest.mark.parametrize("seed", range(4))
def test_every_step_can_be_computed_again(seed: int, churn_model: Adopted) -> None:
    fold = Fold(0)
    fold.world.models = {churn_model.name: churn_model}
    for event in story(seed):
        fold.apply(event)
    steps = [said for said in fold.take_changes().triggers if _scored(said)]

    assert steps
    for step in steps:
        operator = BY_SLUG[step.data["kind"]]
        adopted = churn_model if operator.model == churn_model.name else None
        assert round(operator.score_again(step.data["features"], adopted), 6) == step.data["score"]


def _scored(said: Envelope) -> bool:
    return bool(said.data.get("features"))
