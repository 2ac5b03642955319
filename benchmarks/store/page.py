"""How long the explorer's page takes over a store: its answers by HTTP, and a real browser."""

from __future__ import annotations

import http.client
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dualion.explorer.server import ExplorerServer
from dualion.store.sqlite import SQLiteBarrierStore

Spent = tuple[float, float]

WATCH = """
new MutationObserver((_, watch) => {
  if (document.body && document.body.dataset.ready) {
    watch.disconnect();
    requestAnimationFrame(() => setTimeout(() => { window.readyAfter = performance.now(); }));
  }
}).observe(document, { attributes: true, childList: true, subtree: true });
"""
"""Notes the time from the start of the navigation until what the page was told is on the screen."""
ADDRESSES = ("", "?max=0.4&sort=barrier", "?framework=framework-007", "?ion=Cu&max=0.31")


@contextmanager
def served(path: Path) -> Iterator[ExplorerServer]:
    """Serve a store's page from another thread."""
    with SQLiteBarrierStore(path, read_only=True) as store:
        server = ExplorerServer(store)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            server.server_close()


def fetched(server: ExplorerServer, target: str) -> Spent:
    """Return the time of one answer, in ms; the CPU time is that of both sides."""
    wall, cpu = time.perf_counter(), time.process_time()
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1])
    connection.request("GET", target)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{target}: {answer.status} {body[:200]!r}")
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - cpu)


def page(path: Path) -> dict[str, Spent]:
    """Ask for what the page asks for, each view for the first time; then open it in Chromium."""
    found: dict[str, Spent] = {}
    with served(path) as server:
        found["first view, columns loaded"] = fetched(server, "/api/view")
        several: dict[str, Callable[[int], str]] = {
            "view, not remembered": lambda k: f"/api/view?max={0.3 + 0.01 * k:.2f}",
            "view of one framework, not remembered": lambda k: (
                f"/api/view?framework=framework-{k:03d}"
            ),
            "view, remembered": lambda _: "/api/view",
            "next rows of the table": lambda k: f"/api/rows?max=0.4&offset={100 * k}",
        }
        for name, target in several.items():
            spent = [fetched(server, target(k)) for k in range(9)]
            wall, cpu = (statistics.median(each) for each in zip(*spent, strict=True))
            found[name] = (wall, cpu)
        programs = shutil.which("chromium"), shutil.which("chromedriver")
        if all(programs):
            found |= in_browser(server.url, *map(str, programs))
    return found


def in_browser(url: str, chromium: str, driver: str) -> dict[str, Spent]:
    """Open the page some times in Chromium; from the navigation until it is drawn, in ms."""
    from selenium import webdriver  # noqa: PLC0415 - for those who have a browser here
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(driver))
    found: dict[str, Spent] = {}
    try:
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        for address in ADDRESSES:
            times = []
            for _ in range(7):
                browser.get(url + address)
                while (ready := browser.execute_script("return window.readyAfter")) is None:
                    time.sleep(0.02)
                times.append(float(ready))
            found[f"Chromium: {address or '/'}, first time"] = (times[0], float("nan"))
            found[f"Chromium: {address or '/'}, warm"] = (
                statistics.median(times[1:]),
                float("nan"),
            )
    finally:
        browser.quit()
    return found
