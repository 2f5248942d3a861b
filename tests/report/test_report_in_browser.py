"""The report in a browser: on a desktop and a phone, light and dark, offline."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from cgc.report.figures import FIGURES
from helpers.devtools import Page, browser_page, find_chromium
from helpers.fake_report import Reported

CHROMIUM = find_chromium()
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: `apt install chromium`"),
    pytest.mark.xdist_group("browser"),
]
PHONE_WIDTH = 360

# The texts with too little contrast to their background (WCAG 2 AA: 4.5 to 1).
TOO_FAINT = """
(() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => channels(colour).slice(0, 3)
    .map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (channels(colour)[3] !== 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const ratio = element => {
    const pair = [getComputedStyle(element).color, behind(element)].map(luminance);
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
  };
  return [...document.body.querySelectorAll("*")]
    .filter(element => [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .filter(element => ratio(element) < 4.5)
    .map(element => element.outerHTML.slice(0, 80));
})()
"""
VISIBLE_CLAIMS = "[...document.querySelectorAll('tr[data-verdict]')].filter(e => e.offsetHeight)"


class Opened(NamedTuple):
    """The report in a browser, and the events while it loaded."""

    page: Page
    events: list[tuple[str, dict[str, Any]]]


@pytest.fixture(scope="module")
def opened(reported: Reported, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    path = tmp_path_factory.mktemp("moved") / "report.html"  # away from everything else
    path.write_text(reported.html, encoding="utf-8")
    assert CHROMIUM is not None
    with browser_page(CHROMIUM, tmp_path_factory.mktemp("profile")) as page:
        page.open(path.as_uri())
        page.evaluate("new Promise(done => setTimeout(done, 100))")  # wait for late events
        yield Opened(page, list(page.events))


@pytest.fixture
def page(opened: Opened) -> Page:
    """The report on a desktop, in light colours."""
    opened.page.show_as()
    return opened.page


def test_console_stays_silent(opened: Opened) -> None:
    methods = {"Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"}
    assert [about for method, about in opened.events if method in methods] == []


def test_no_request_leaves_the_file(opened: Opened) -> None:
    requests = [about for method, about in opened.events if method == "Network.requestWillBeSent"]
    addresses = [about["request"]["url"] for about in requests]
    assert [address for address in addresses if not address.startswith("data:")] == [
        opened.page.evaluate("location.href")
    ]


def test_policy_stops_a_request_all_the_same(page: Page) -> None:
    stopped = """new Promise(done => {
      document.addEventListener("securitypolicyviolation", e => done(e.effectiveDirective));
      document.body.append(Object.assign(new Image(), {src: "http://127.0.0.1:9/a.png"}));
    })"""
    assert page.evaluate(stopped) == "img-src"
    page.evaluate("document.body.lastChild.remove()")


def test_every_image_is_decoded(page: Page) -> None:
    widths = page.evaluate("[...document.images].map(each => each.complete && each.naturalWidth)")
    assert len(widths) == len(FIGURES)
    assert min(widths) > 1


def test_every_link_resolves(page: Page) -> None:
    dangling = "[...document.links].filter(a => !document.querySelector(a.hash)).map(a => a.href)"
    assert page.evaluate("document.links.length") > 10
    assert page.evaluate(dangling) == []


@pytest.mark.parametrize("width", [PHONE_WIDTH, 768, 1200, 1600])
def test_page_itself_never_scrolls_sideways(page: Page, width: int) -> None:
    page.show_as(width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_wide_table_scrolls_by_itself_on_a_phone(page: Page) -> None:
    page.show_as(width=PHONE_WIDTH)
    region = "document.querySelector('#runs .scroll')"
    assert page.evaluate(f"{region}.scrollWidth > {region}.clientWidth")


def test_values_of_claims_are_seen_on_a_phone(page: Page) -> None:
    page.show_as(width=PHONE_WIDTH)
    rights = page.evaluate(
        "[...document.querySelectorAll('td[data-label]')].map(e => e.getBoundingClientRect().right)"
    )
    assert len(rights) == 18
    assert max(rights) <= PHONE_WIDTH


@pytest.mark.parametrize("colours", ["light", "dark"])
def test_text_stands_out_from_what_is_behind(page: Page, colours: str) -> None:
    page.show_as(colours=colours)
    assert page.evaluate(TOO_FAINT) == []


def test_dark_page_is_dark_and_its_figures_lie_on_white(page: Page) -> None:
    page.show_as(colours="dark")
    colour = "getComputedStyle(document.querySelector('{}')).backgroundColor"
    assert page.evaluate(colour.format("body")) == "rgb(20, 23, 27)"
    assert page.evaluate(colour.format(".card")) == "rgb(255, 255, 255)"


def test_verdict_that_is_chosen_shows_its_claims_alone(page: Page) -> None:
    page.evaluate("document.getElementById('show-not-comparable').click()")
    shown = page.evaluate(f"{VISIBLE_CLAIMS}.map(each => each.id)")
    page.evaluate("document.getElementById('show-all').click()")
    assert shown == ["claim-made-up", "claim-again"]
    assert page.evaluate(f"{VISIBLE_CLAIMS}.length") == 6


def test_group_without_a_claim_of_the_chosen_verdict_is_hidden(page: Page) -> None:
    visible = "[...document.querySelectorAll('tr.group')].filter(e => e.offsetHeight)"
    page.evaluate("document.getElementById('show-implemented').click()")
    shown = page.evaluate(f"{visible}.map(each => each.textContent)")
    page.evaluate("document.getElementById('show-all').click()")
    assert shown == ["Settings: 1"]
    assert page.evaluate(f"{visible}.length") == 2


def test_first_stop_of_the_keyboard_skips_to_the_claims(page: Page) -> None:
    page.evaluate("document.activeElement.blur()")
    press(page, "Tab")
    left = "document.activeElement.getBoundingClientRect().left"
    assert page.evaluate("document.activeElement.hash") == "#main"
    assert page.evaluate(left) >= 0  # visible once focused


def test_focus_is_visible_wherever_the_keyboard_stops(page: Page) -> None:
    outline = """(() => {
      const here = document.activeElement;
      const drawn = here.matches("input") ? here.nextElementSibling : here;
      return parseFloat(getComputedStyle(drawn).outlineWidth);
    })()"""
    for _ in range(30):
        press(page, "Tab")
        assert page.evaluate(outline) >= 2  # pixels


def press(page: Page, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=9)
