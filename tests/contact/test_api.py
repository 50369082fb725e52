"""The HTTP routes."""

import pytest

from tests.contact.conftest import Desk, identify, key, order, page, token

ADA = {"user_id": "ada", "email": "ada@example.com", "phone": "+442079460018"}
NOBODY = key("email", "nobody@example.com")


async def somebody(desk: Desk, user: str, at: int = 0, **traits: object) -> str:
    await desk.take(identify({"user_id": user}, at=at, **traits))
    return key("user_id", user)


async def test_a_contact_shows_who_it_is(desk: Desk) -> None:
    ada = key("user_id", "ada")
    await desk.take(
        order(ADA),
        identify(
            ADA, at=1, firstName="Ada", lastName="Byron", company={"name": "Engines"}, plan="pro", unsubscribed=True
        ),
    )
    assert await desk.get(f"/{ada}") == {
        "id": ada,
        "name": "Ada Byron",
        "email": "ada@example.com",
        "phone": "+442079460018",
        "company": "Engines",
        "label": "Ada Byron",
        "known": True,
        "consent": {"email": False},
        "created_at": "2026-03-01T09:00:00Z",
        "last_seen_at": "2026-03-01T09:01:00Z",
        "identifiers": {"user_id": ["ada"], "email": ["ada@example.com"], "phone": ["+442079460018"]},
        "traits": {"plan": "pro"},
        "first_source": "shop",
        "conflicts": [],
    }
    assert (await desk.get(f"/{key('phone', '+442079460018')}"))["id"] == ada


async def test_the_list_pages_through_everybody_newest_first(desk: Desk) -> None:
    made = [await somebody(desk, f"u{number}", number) for number in range(5)]
    first = await desk.get("", limit=2)
    second = await desk.get("", limit=2, cursor=first["next"])
    third = await desk.get("", limit=2, cursor=second["next"])
    assert [item["id"] for answer in (first, second, third) for item in answer["items"]] == made[::-1]
    assert third["next"] is None


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("ada", ["Ada Byron", "Adamina Smith"]),
        ("byron ada", ["Ada Byron"]),
        ("Birony", []),
        ("byrn", ["Ada Byron"]),
        ("charles@", ["Charles Babbage"]),
        ("020 7946 0018", ["Ada Byron"]),
        ("analytical", ["Charles Babbage"]),
        ("b", ["Charles Babbage", "Ada Byron"]),
        ("17850", ["Zoë Łukasz"]),
        ("zoë", ["Zoë Łukasz"]),
        ("%", []),
        ("_da", []),
        ("'; DROP TABLE contacts; --", []),
        ("\\", []),
        ("()", []),
        ("....", []),
    ],
)
async def test_a_search_finds_people(desk: Desk, typed: str, names: list[str]) -> None:
    await desk.take(
        order({"user_id": "a", "phone": "+442079460018"}, name="Ada Byron"),
        identify({"email": "charles@example.com"}, name="Charles Babbage", company="Analytical Engines"),
        order({"user_id": "s"}, name="Adamina Smith"),
        order({"user_id": "17850"}, name="Zoë Łukasz"),
    )
    assert sorted(item["name"] for item in (await desk.get("", q=typed))["items"]) == sorted(names)


async def test_the_best_match_comes_first_and_pages_go_on(desk: Desk) -> None:
    for number, name in enumerate(["Mary Ann Smith", "Smith", "Smyth", "Ann Smithson", "Smith Anders"]):
        await somebody(desk, f"x{number}", number, name=name)
    whole = [item["name"] for item in (await desk.get("", q="smith"))["items"]]
    assert whole[0] in {"Smith", "Smith Anders"}
    assert set(whole[:2]) == {"Smith", "Smith Anders"}
    assert set(whole[:4]) == {"Smith", "Smith Anders", "Mary Ann Smith", "Ann Smithson"}
    paged: list[str] = []
    cursor = None
    while True:
        answer = await desk.get("", q="smith", limit=1, **({"cursor": cursor} if cursor else {}))
        paged += [item["name"] for item in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert paged == whole


async def test_the_timeline_is_newest_first_in_pages_and_by_kind(desk: Desk) -> None:
    ada = key("user_id", "ada")
    await desk.take(*(page(ADA, f"Page {number}", at=number // 2) for number in range(6)), order(ADA, at=1))
    seen: list[dict[str, str]] = []
    cursor = None
    while True:
        answer = await desk.get(f"/{ada}/timeline", limit=2, **({"cursor": cursor} if cursor else {}))
        seen += answer["items"]
        cursor = answer["next"]
        if cursor is None:
            break
    assert len({entry["id"] for entry in seen}) == len(seen) == 7
    assert seen == sorted(seen, key=lambda entry: (entry["time"], entry["id"]), reverse=True)
    orders = (await desk.get(f"/{ada}/timeline", kind="order,return"))["items"]
    assert [entry["kind"] for entry in orders] == ["order"]
    assert orders[0]["data"]["total"] == "42.30"


async def test_names_are_looked_up_also_under_old_ids(desk: Desk) -> None:
    visitor = key("anonymous_id", "b1")
    await desk.take(page({"anonymous_id": "b1"}, "Pricing"), order({**ADA, "anonymous_id": "b1"}, at=1, name="Ada"))
    found = await desk.get("/lookup", ids=f"{visitor},{NOBODY},nonsense,{key('user_id', 'ada')}")
    ada = {"name": "Ada", "email": "ada@example.com", "label": "Ada"}
    assert found == {"items": {visitor: ada, key("user_id", "ada"): ada}}


async def test_more_ids_than_a_page_shows_are_refused(desk: Desk) -> None:
    await desk.get("/lookup", 422, ids=",".join(key("user_id", str(number)) for number in range(201)))


@pytest.mark.parametrize("path", [f"/{NOBODY}", f"/{NOBODY}/timeline", "/nonsense", "/%00", "/c_UPPER"])
async def test_nobody_is_not_found(desk: Desk, path: str) -> None:
    assert (await desk.get(path, 404))["title"] == "Not Found"


@pytest.mark.parametrize("cursor", ["", "x", "W10=", "WzEsMl0=", "eyJhIjoxfQ==", "é", "WzFlOTksImEiXQ=="])
async def test_a_strange_cursor_is_refused(desk: Desk, cursor: str) -> None:
    await desk.get("", 422, cursor=cursor)
    await desk.get("", 422, cursor=cursor, q="ada")


async def test_a_nul_is_refused_or_finds_nothing(desk: Desk) -> None:
    answer = await desk.client.get("/v1/contacts?q=a%00bc", headers=token("sales"))
    assert answer.status_code in {200, 422}


@pytest.mark.parametrize("role", ["admin", "manager", "sales", "support", "marketing", "service"])
async def test_any_signed_in_role_may_read(desk: Desk, role: str) -> None:
    assert (await desk.client.get("/v1/contacts", headers=token(role))).status_code == 200


async def test_nobody_reads_without_a_token(desk: Desk) -> None:
    for path in ("", "/lookup?ids=a", f"/{NOBODY}", f"/{NOBODY}/timeline"):
        assert (await desk.client.get(f"/v1/contacts{path}")).status_code == 401


async def test_consent_is_changed_and_told(desk: Desk) -> None:
    ada = key("user_id", "ada")
    await desk.take(order(ADA))
    for _ in range(2):
        answer = await desk.client.patch(
            f"/v1/contacts/{key('email', 'ada@example.com')}/consent",
            json={"channel": "email", "given": False},
            headers=token("support"),
        )
        assert answer.status_code == 200
        assert (answer.json()["id"], answer.json()["consent"]) == (ada, {"email": False})
    said = await desk.said()
    assert said[1:] == [("heed.consent.changed.v1", ada), ("heed.contact.updated.v1", ada)]
    assert (await desk.get(f"/{ada}"))["consent"] == {"email": False}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"channel": "email"}, 422),
        ({"channel": "pigeon", "given": True}, 422),
        ({"channel": "email", "given": True, "name": "Eve"}, 422),
    ],
)
async def test_a_broken_consent_is_refused(desk: Desk, body: dict[str, object], status: int) -> None:
    answer = await desk.client.patch(f"/v1/contacts/{NOBODY}/consent", json=body, headers=token("sales"))
    assert answer.status_code == status


async def test_consent_of_nobody_is_not_found(desk: Desk) -> None:
    body = {"channel": "email", "given": True}
    for id_ in (NOBODY, "nonsense"):
        answer = await desk.client.patch(f"/v1/contacts/{id_}/consent", json=body, headers=token("sales"))
        assert answer.status_code == 404
