"""The explorer in a real browser: one server and one Chromium for all tests, a fresh page for each.

Run by `cargo xtask test browser`, which sets FIRSTGUESS_CLI (the program), FIRSTGUESS_CHROMIUM (the browser) and
FIRSTGUESS_SCREENSHOTS (a folder for pictures that a person can look at).
"""

import json
import os
import pathlib
import subprocess
import time
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import sync_playwright

# A browser of a closed network asks for nothing by itself.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="session")
def address():
    """The address of a server that runs as long as the tests."""
    command = [os.environ["FIRSTGUESS_CLI"], "serve", "--port", "0", "--json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    text = ""
    for line in server.stdout:
        text += line
        if line.startswith("}"):
            break
    yield json.loads(text)["url"]
    server.terminate()
    server.wait(10)


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ["FIRSTGUESS_CHROMIUM"], args=FLAGS
        )
        yield browser
        browser.close()


class Explorer:
    """A page that remembers what it asked for and what went wrong."""

    def __init__(self, page, address):
        self.page, self.address = page, address
        self.faults, self.requests = [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.faults.append(f"exception: {error}"))
        page.on("console", self._heard)

    def _heard(self, message):
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def open(self, fragment=""):
        """Loads the page and waits for its first numbers."""
        self.page.goto(self.address + fragment)
        self.settled()
        return self

    def settled(self):
        """Waits until every question is answered, the diagram is drawn and the address is written."""
        self.until("document.body.dataset.busy === 'false'")
        self.page.wait_for_selector('svg.map[data-ready="true"]')
        self.page.wait_for_selector("#charts svg")
        self.until("location.hash.length > 1")

    def until(self, condition, seconds=60):
        """Waits for a condition in the page; asked from outside, since the page's policy forbids scripts made of text."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"never: {condition}"
            time.sleep(0.005)

    def shot(self, name):
        """A picture of the whole page for a person."""
        folder = pathlib.Path(os.environ.get("FIRSTGUESS_SCREENSHOTS", "."))
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png", full_page=True)

    def number(self, label):
        """A value of the list of limits."""
        text = self.page.locator(f"#limits dt:text-is('{label}') + dd").inner_text()
        return float(text)

    def clean(self, refusals=0):
        """Nothing but so many refusals of the server was complained of, and no request left this machine."""
        refused = [fault for fault in self.faults if "Failed to load resource" in fault]
        assert [fault for fault in self.faults if fault not in refused] == []
        assert len(refused) <= refusals, refused
        for url in self.requests:
            parts = urlsplit(url)
            assert parts.scheme in ("blob", "data") or parts.hostname == "127.0.0.1", url


@pytest.fixture
def explorer(browser, address, request):
    """A page of its own; `@pytest.mark.parametrize(..., indirect=True)` passes options of the context."""
    options = {"viewport": {"width": 1280, "height": 900}, **getattr(request, "param", {})}
    context = browser.new_context(**options)
    context.set_default_timeout(20_000)
    yield Explorer(context.new_page(), address)
    context.close()
