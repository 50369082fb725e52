"""`heed replay orders` from the command line: what it writes, and that only the past and the log decide it."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from tests.replay.shop import COLUMNS, DAYS, MIDNIGHT, Written, heed, heed_apart, replayed, rows, write

DAY = timedelta(days=1)
FILES = {"scores.parquet", "events.parquet", "decisions.parquet", "report.json", "report.html", "refused.csv"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Written:
    directory = tmp_path_factory.mktemp("shop")
    return replayed(write(directory / "orders.csv", rows()), directory / "out")


def test_the_same_file_twice_gives_the_same_bytes(shop: Written, tmp_path: Path) -> None:
    file, out = write(tmp_path / "orders.csv", rows()), tmp_path / "out"
    done = heed_apart("orders", str(file), *COLUMNS, "--out", str(out), PYTHONHASHSEED="2")
    assert done.code == 0, done.error
    assert Written(out).hashes() == shop.hashes()
    assert set(shop.hashes()) == FILES
    assert shop.json("timings")["events_per_second"] > 0


def test_events_have_one_row_each_in_the_order_of_the_file(shop: Written) -> None:
    events = shop.table("events")
    assert [(e["id"], e["customer"], e["time"]) for e in events] == [(no, who, at) for who, at, _, no in rows()]
    spell = [e["deviation"] for e, (who, at, total, _) in zip(events, rows(), strict=True) if total > 190]
    usual = sorted(e["deviation"] for e, (_, _, total, _) in zip(events, rows(), strict=True) if total <= 190)
    assert spell
    assert min(spell) > usual[len(usual) * 9 // 10]
    assert {e["kind"] for e in events if e["deviation"]} <= {None} | {e["kind"] for e in events if e["kind"]}


def test_everybody_seen_is_scored_at_each_midnight_of_the_grid(shop: Written) -> None:
    first: dict[str, datetime] = {}
    for who, at, _, _ in rows():
        first[who] = min(at, first.get(who, at))
    expected = {
        (who, as_of)
        for as_of in (MIDNIGHT + i * 7 * DAY for i in range(1, DAYS // 7 + 1))
        for who, at in first.items()
        if at < as_of
    }
    scores = shop.table("scores")
    found = [(s["customer"], s["as_of"]) for s in scores]
    last = max(as_of for _, as_of in found)
    assert len(found) == len(set(found))
    assert set(found) == {pair for pair in expected if pair[1] <= last}
    assert last >= max(at for _, at, _, _ in rows()) - 7 * DAY
    assert {s["evidence"] for s in scores} == {"enough", "not enough"}
    late = [s for s in scores if s["as_of"] > MIDNIGHT + 150 * DAY]
    assert all(0 <= s["churn_risk"] <= 1 for s in late)
    assert len({s["churn_risk"] for s in late}) > 50


def test_an_order_at_the_very_midnight_is_not_known_at_it(tmp_path: Path) -> None:
    orders = [("a", MIDNIGHT, 5.0, "1"), ("b", MIDNIGHT + 7 * DAY, 5.0, "2"), ("a", MIDNIGHT + 8 * DAY, 5.0, "3")]
    written = replayed(write(tmp_path / "orders.csv", orders), tmp_path / "out")
    assert [(s["customer"], s["as_of"]) for s in written.table("scores")] == [("a", MIDNIGHT + 7 * DAY)]


def test_what_comes_later_changes_nothing_that_was_said_before(shop: Written, tmp_path: Path) -> None:
    cut = MIDNIGHT + 161 * DAY
    short = replayed(write(tmp_path / "orders.csv", [row for row in rows() if row[1] < cut]), tmp_path / "out")
    known = {e["id"] for e in short.table("events")}
    assert short.table("scores") == [s for s in shop.table("scores") if s["as_of"] <= cut]
    assert short.table("events") == [e for e in shop.table("events") if e["id"] in known]
    decisions = short.table("decisions")
    assert decisions == shop.table("decisions")[: len(decisions)]
    assert all(d["time"] >= cut for d in shop.table("decisions")[len(decisions) :])
    assert decisions


def test_the_order_of_the_rows_decides_nothing_but_the_order_of_the_events(shop: Written, tmp_path: Path) -> None:
    back = replayed(write(tmp_path / "orders.csv", rows()[::-1]), tmp_path / "out")

    def said(written: Written) -> list[tuple[object, ...]]:
        return sorted((e["id"], e["deviation"], e["kind"] or "", e["flagged"]) for e in written.table("events"))

    assert said(back) == said(shop)
    assert [e["id"] for e in back.table("events")] == [e["id"] for e in shop.table("events")][::-1]


def test_each_trigger_is_raised_once_and_ends_once(shop: Written) -> None:
    steps = defaultdict(list)
    for step in shop.table("decisions"):
        steps[step["trigger"]].append(step)
    owner = {e["id"]: e["customer"] for e in shop.table("events")}
    assert {step["action"] for found in steps.values() for step in found} >= {"raised", "cleared"}
    for found in steps.values():
        actions = [step["action"] for step in found]
        assert actions[0] == "raised"
        assert set(actions[1:-1]) <= {"updated"}
        assert len({(step["kind"], step["customer"]) for step in found}) == 1
        assert all(a["time"] <= b["time"] for a, b in pairwise(found))
        for step in found:
            assert all(owner[id_] == step["customer"] for id_ in step["event_ids"])
            assert all(reason["text"] for reason in step["reasons"])
            assert step["action"] == "cleared" or (step["expected"]["text"] and step["observed"]["text"])
    assert any(step["kind"] == "spend_deviation" and step["event_ids"] for step in shop.table("decisions"))


def test_the_warm_up_teaches_and_raises_nothing(shop: Written, tmp_path: Path) -> None:
    assert min(d["time"] for d in shop.table("decisions")) >= MIDNIGHT + 30 * DAY
    longer = replayed(write(tmp_path / "orders.csv", rows()), tmp_path / "out", "--warm-up", "120d")
    assert longer.table("scores") == shop.table("scores")
    kept = {d["trigger"] for d in longer.table("decisions")}
    assert min(d["time"] for d in longer.table("decisions")) >= MIDNIGHT + 120 * DAY
    assert longer.table("decisions") == [d for d in shop.table("decisions") if d["trigger"] in kept]


def test_horizon_and_grid_are_as_asked(tmp_path: Path) -> None:
    file = write(tmp_path / "orders.csv", rows(12))
    written = replayed(file, tmp_path / "out", "--score-every", "14d", "--horizon", "4w")
    moments = sorted({s["as_of"] for s in written.table("scores")})
    assert {b - a for a, b in pairwise(moments)} == {14 * DAY}
    first = min(at for _, at, _, _ in rows(12)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert moments[0] == first + 14 * DAY
    assert written.json("report")["settings"]["horizon_days"] == 28


def test_the_report_counts_what_the_tables_hold(shop: Written) -> None:
    report, decisions = shop.json("report"), shop.table("decisions")
    raised = [d for d in decisions if d["action"] == "raised"]
    assert report["log"]["events"] == len(rows())
    assert report["alerts"]["raised"] == len(raised) == sum(report["alerts"]["raised_by_kind"].values())
    assert sum(span["raised"] for span in report["alerts"]["over_time"]) == len(raised)
    assert sum(span["events"] for span in report["alerts"]["over_time"]) == len(rows())
    assert report["scores"]["rows"] == len(shop.table("scores"))
    assert report["churn"]["after_warm_up"]["rows"] > report["churn"]["from_day_140"]["rows"] > 0
    assert {"raised"} <= {*report["alerts"]["steps"]}


def test_the_page_needs_nothing_else_and_lets_no_name_in(tmp_path: Path) -> None:
    sly = '<script>alert("x")</script>'
    orders = [(f'"{sly.replace(chr(34), chr(34) * 2)}"', at, total, no) for _, at, total, no in rows(1)]
    written = replayed(write(tmp_path / "orders.csv", orders), tmp_path / "out", "--warm-up", "0d")
    page = (written.directory / "report.html").read_text()
    assert written.table("events")[0]["customer"] == sly
    assert sly not in page
    assert "&lt;script&gt;" in page
    assert "://" not in page
    assert "<script" not in page


def test_rows_that_say_too_little_are_named_and_the_rest_is_replayed(tmp_path: Path) -> None:
    file = write(tmp_path / "orders.csv", rows(5))
    with file.open("a") as out:
        out.write(",2024-03-05,1,x1\na,never,1,x2\n")
    written = replayed(file, tmp_path / "out")
    number = len(rows(5))
    refused = (written.directory / "refused.csv").read_text().splitlines()
    assert refused == ["row,reason", f"{number + 1},no customer", f"{number + 2},not a time: 'never'"]
    assert written.json("report")["log"]["refused_because"] == {"no customer": 1, "not a time": 1}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--customer", "nobody"), "has no column nobody; it has who, when, total, no"),
        (("--price", "total"), "--price (of one piece) or --amount (of the row), not both"),
        (("--exclude", "who like a"), "write COLUMN = VALUE or COLUMN in (VALUE, VALUE)"),
        (("--horizon", "56"), "write 7d for seven days"),
        (("--currency", "euros"), "write three letters"),
        (("--exclude", "no in (n0, n1)", "--exclude", "who = nobody", "--time", "no"), "no row that can be replayed"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_message(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    file = write(tmp_path / "orders.csv", rows(2))
    done = heed("orders", str(file), *COLUMNS, *options, "--out", str(tmp_path / "out"))
    assert done.code == 1
    assert said in done.error.replace("\n", " ")
    assert "Traceback" not in done.error
    assert not (tmp_path / "out" / "scores.parquet").exists()


def test_results_of_an_earlier_replay_do_not_stay_beside_new_ones(tmp_path: Path) -> None:
    file = write(tmp_path / "orders.csv", rows(2))
    first = replayed(file, tmp_path / "out").hashes()
    file.write_text("who,when,total,no\n,2024-03-05,1,x\n")
    assert heed("orders", str(file), *COLUMNS, "--out", str(tmp_path / "out")).code == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"refused.csv"}
    write(file, rows(2))
    assert replayed(file, tmp_path / "out").hashes() == first


def test_returns_products_and_odd_moments_go_through(tmp_path: Path) -> None:
    lines = ["no,sku,n,price,when,who"]
    for who, at, total, no in rows(6):
        lines += [f"{no},A,1,{total},{at.isoformat()},{who}", f"{no},B,2,1.5,{at.isoformat()},{who}"]
    lines += [f"C{i},A,-1,5,{(MIDNIGHT + i * DAY).isoformat()},customer 1" for i in range(40, 50)]
    lines += ["T1,A,1,5,1970-01-01,customer 1", "T2,A,1,5,9999-12-31,customer 1"]
    file = tmp_path / "orders.csv"
    file.write_text("\n".join(lines) + "\n")
    columns = ("--customer", "who", "--time", "when", "--order", "no", "--sku", "sku", "--quantity", "n")
    written = replayed(file, tmp_path / "out", "--price", "price", columns=columns)
    log = written.json("report")["log"]
    assert (log["orders"], log["returns"], log["refused"]) == (len(rows(6)), 10, 2)
    assert [e["id"] for e in written.table("events")][-1] == "C49"
    assert all(e["time"].tzinfo == UTC or e["time"].utcoffset() == timedelta() for e in written.table("events"))
