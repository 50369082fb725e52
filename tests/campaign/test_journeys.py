"""Journeys are files; one that cannot work is refused with its reason."""

import shutil
from pathlib import Path

import pytest

import campaign
from campaign.composer import Composer
from campaign.journeys import JourneyError, load
from campaign.models import ContactRow

JOURNEYS = Path(campaign.__file__).parent / "journeys"
SHOP = "https://shop.example/start"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return Path(shutil.copytree(JOURNEYS, tmp_path / "journeys"))


def change(directory: Path, old: str, new: str) -> None:
    file = directory / "win_back.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))


def test_waits_can_be_shortened(directory: Path) -> None:
    step = load(directory, shop_url=SHOP, wait_scale=1 / 3600)["win_back"].journey.steps["settle"]
    assert step.duration.total_seconds() == 1  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('next = "hello"', 'next = "nowhere"', "does not exist"),
        ('next = "listen"', 'next = "settle"', "back to itself"),
        ('id = "over"', 'id = "settle"', "same id"),
        ("hours = 1", "hours = -1", "greater than 0"),
        ("hours = 1", "hours = 1\nsurprise = true", "surprise"),
        ('kind = "wait"', 'kind = "dance"', "dance"),
        ('template = "hello"', 'template = "../hello"', "pattern"),
        ('template = "hello"', 'template = "gone"', "gone.txt.liquid"),
        ('outcome = "no_response"', 'outcome = "rich"', "outcome"),
        ('shop = "?', 'shop = "javascript:alert(1)//', "http or https"),
        ('subject = "Is', 'subject = "{% if %}Is', "cannot be read"),
        ("[[steps]]", "[[steps", "Expected"),
    ],
)
def test_what_cannot_work_is_refused(directory: Path, old: str, new: str, why: str) -> None:
    change(directory, old, new)
    with pytest.raises(JourneyError, match=r"win_back\.toml") as refused:
        load(directory, shop_url=SHOP, wait_scale=1)
    assert why in str(refused.value)


def test_a_message_without_a_way_out_is_refused(directory: Path) -> None:
    (directory / "win_back" / "hello.html.liquid").write_text("<p>Buy!</p>")
    with pytest.raises(JourneyError, match="unsubscribe_url"):
        load(directory, shop_url=SHOP, wait_scale=1)


def test_one_name_one_journey(directory: Path) -> None:
    shutil.copy(directory / "win_back.toml", directory / "copy.toml")
    with pytest.raises(JourneyError, match="already"):
        load(directory, shop_url=SHOP, wait_scale=1)


@pytest.mark.parametrize("step", ["hello", "offer", "reminder"])
def test_every_letter_greets_links_and_lets_go(step: str) -> None:
    creative = load(JOURNEYS, shop_url=SHOP, wait_scale=1)["win_back"].creatives[step]
    contact = ContactRow(customer="c", name="<b>Ada</b> Byron", email="ada@example.com", traits={})
    letter = Composer("http://public.example/", "The Shop").compose(creative, contact)
    ((link, url),) = letter.links.items()
    assert url.startswith("https://shop.example/start?utm_source=heed")
    for body in (letter.text, letter.html):
        assert f"http://public.example/t/c/{link}" in body
        assert f"http://public.example/t/u/{letter.token}" in body
        assert "The Shop" in body
    assert "Hello <b>Ada</b>," in letter.text
    assert "&lt;b&gt;Ada&lt;/b&gt;" in letter.html
    assert f'src="http://public.example/t/o/{letter.token}.gif"' in letter.html
    assert "<b>Ada" not in letter.html


def test_a_letter_to_somebody_without_a_name() -> None:
    creative = load(JOURNEYS, shop_url=SHOP, wait_scale=1)["win_back"].creatives["hello"]
    letter = Composer("http://public.example", "The Shop").compose(creative, ContactRow(customer="c", traits={}))
    assert letter.subject == "We have missed you"
    assert "Hello there," in letter.text
