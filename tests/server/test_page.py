"""The live page in a browser: wide, narrow, dark, by keyboard."""

import socket
import threading
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs eac[serve]")
pytest.importorskip("uvicorn", reason="needs eac[serve]")
pytest.importorskip("prometheus_client", reason="needs eac[serve]")

import uvicorn

from eac.server.app import create_app
from eac.server.start import open_engine
from eac.server.watching import Watching
from tests.server.browser import CHROMIUM, Browser, until
from tests.server.test_app import readings, run  # noqa: F401

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture
def served(run, readings, tmp_path):  # noqa: F811
    engine = open_engine(run, state_dir=tmp_path / "state", table=readings, watching=Watching())
    assert engine.watcher is not None
    engine.watcher.requests.add("ask", "unit change", "odd", ds=None, unique_id="c")
    engine.events.add("stuck", "one reading", unique_id="c", action="mask")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(create_app(engine), port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, 30, "the server starts")
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join()


@pytest.fixture
def browser(tmp_path: Path):
    found = Browser(tmp_path / "profile")
    yield found
    found.close()


def shown(browser: Browser, address: str, width: int, *, dark: bool = False) -> None:
    browser.send(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=900,
        deviceScaleFactor=1,
        mobile=False,
    )
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.send("Emulation.setEmulatedMedia", features=[scheme])
    browser.send("Page.navigate", url=address)
    browser.wait("document.querySelectorAll('#fan path.middle').length")


@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_shows_sensors_a_fan_chart_events_and_requests(served, browser, width):
    shown(browser, served, width)
    assert "generation 1, period" in browser.wait("document.getElementById('status').textContent")
    assert browser.run("document.querySelectorAll('#sensors li').length") >= 4
    assert browser.run("document.querySelectorAll('#fan polygon').length") == 2
    assert "stuck · c" in browser.wait("document.getElementById('events').textContent")
    assert "ask · c" in browser.wait("document.getElementById('requests').textContent")
    assert browser.run("document.documentElement.scrollWidth") <= width
    beside = browser.run("getComputedStyle(document.querySelector('main')).gridTemplateColumns")
    assert len(beside.split()) == (2 if width == 1280 else 1)
    assert browser.problems == []


def test_a_sensor_is_chosen_by_keyboard(served, browser):
    shown(browser, served, 1280)
    first = browser.run("document.querySelector('#sensors [aria-selected=true]').textContent")
    browser.run("document.getElementById('find').focus()")
    browser.press("Tab")
    assert browser.run("document.activeElement.id") == "sensors"
    assert "solid" in browser.run("getComputedStyle(document.activeElement).outlineStyle")
    browser.press("ArrowDown")
    chosen = "document.querySelector('#sensors [aria-selected=true]').textContent"
    assert browser.run(chosen) != first
    browser.wait(f"document.getElementById('fan-text').textContent.startsWith({chosen})")
    browser.press("ArrowUp")
    assert browser.run(chosen) == first
    browser.run("document.getElementById('find').value = 'no such sensor'")
    browser.run("document.getElementById('find').dispatchEvent(new Event('input'))")
    assert browser.run("document.querySelectorAll('#sensors li').length") == 0
    assert browser.problems == []


def test_the_page_is_dark_where_that_is_wanted(served, browser):
    paper = "getComputedStyle(document.body).backgroundColor"
    shown(browser, served, 1280)
    assert browser.run(paper) == "rgb(255, 255, 255)"
    shown(browser, served, 1280, dark=True)
    assert browser.run(paper) == "rgb(21, 24, 28)"
    assert browser.run("getComputedStyle(document.body).color") == "rgb(230, 232, 235)"
