"""The page in a real browser: Chromium without a window, driven as a reader would."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import time
from pathlib import Path

import pytest

from dualion.analysis.palette import DARK, LIGHT

pytestmark = pytest.mark.browser

SECONDS = 60  # two slow cores
PHONE = (390, 844)
DESK = (1440, 1000)
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def program(*names):
    """Path of the first program that is there; without one the tests are skipped, not in CI."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        reason = f"no {' or '.join(names)}: apt-get install chromium chromium-driver"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def seen(urls, driver):
    """Add the addresses of all requests since the last call."""
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            urls.append(message["params"]["request"]["url"])


@pytest.fixture(scope="module")
def driver():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = program("chromium", "chromium-browser", "google-chrome")
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    running = webdriver.Chrome(options=options, service=Service(program("chromedriver")))
    running.set_page_load_timeout(SECONDS)
    running.set_script_timeout(SECONDS)
    yield running
    running.quit()


class Page:
    """What a reader does and sees."""

    def __init__(self, driver, url):
        self.driver = driver
        self.url = url
        self.requests: list[str] = []

    def resize(self, size, scheme="light"):
        width, height = size
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
        )
        self.driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia",
            {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
        )

    def open(self, query="", url=None):
        self.driver.get((url or self.url) + query)
        self.until(lambda: self.js("return document.body.dataset.ready"))
        self.rest()

    def js(self, script, *words):
        return self.driver.execute_script(script, *words)

    def until(self, condition):
        end = time.monotonic() + SECONDS
        while not (found := condition()):
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.05)
        return found

    def rest(self):
        self.until(lambda: self.js("return !document.body.hasAttribute('aria-busy')"))

    def all(self, selector):
        return self.driver.find_elements("css selector", selector)

    def one(self, selector):
        return self.driver.find_element("css selector", selector)

    def click(self, selector):
        element = self.one(selector)
        self.js("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def text(self, selector):
        return self.js("return document.querySelector(arguments[0]).textContent", selector)

    def texts(self, selector):
        return self.js(
            "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector
        )

    def choose(self, name, value):
        self.js(
            "const f = document.getElementById('filters').elements[arguments[0]];"
            "f.value = arguments[1]; f.dispatchEvent(new Event('input', {bubbles: true}))",
            name,
            value,
        )
        time.sleep(0.4)
        self.rest()

    def press(self, *keys):
        self.driver.switch_to.active_element.send_keys(*keys)

    def opened(self, words):
        """Wait until a record is shown whole, its network too."""
        self.until(lambda: words in self.text("#record-title"))
        self.until(lambda: self.all("#hops tbody tr"))

    def drawn(self):
        return self.js("return document.getElementById('scene').dataset.drawn")

    def place(self):
        return float(self.drawn().split()[0])


@pytest.fixture
def page(driver, server):
    driver.get_log("browser")
    driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
    reader = Page(driver, server.url)
    reader.resize(DESK)
    driver.get(server.url + "static/icon.svg")
    driver.execute_script("try { localStorage.clear() } catch {}")
    yield reader
    seen(reader.requests, driver)
    outside = [u for u in reader.requests if not u.startswith((server.url, "data:", "blob:"))]
    assert outside == []
    assert any("/api/view" in url for url in reader.requests)
    # The browser notes each answer that is an error ("network"); those are looked at by the tests.
    faults = [
        entry["message"]
        for entry in driver.get_log("browser")
        if entry["level"] == "SEVERE" and entry["source"] != "network"
    ]
    assert faults == []


def test_a_filter_leaves_what_passes(page):
    page.open()
    before = page.text("#count")
    page.choose("framework", "li3ocl")
    page.choose("ion", "Na")
    assert set(page.texts("#barriers tbody td:nth-child(1)")) == {"li3ocl"}
    assert set(page.texts("#barriers tbody td:nth-child(2)")) == {"Na"}
    assert page.text("#count") == "3 records" != before
    page.choose("max", "0.62")
    assert page.text("#count") == "1 record"
    page.choose("min", "0.9")
    assert "swap them" in page.text("#trouble")
    page.click("#reset")
    page.until(lambda: page.text("#count") == before)
    assert not page.one("#trouble").is_displayed()


def test_levels_of_theory_are_chosen_not_mixed(page):
    page.open()
    options = page.all("#filters [name=level] option")
    assert len(options) == 2
    page.choose("level", options[1].get_attribute("value"))
    assert page.text("#count") == "6 records"
    page.open("?record=bigger0000000000")
    assert "2×2×2 cell" in page.text("#record-level")


def test_a_cell_of_the_map_opens_its_records(page):
    page.open()
    page.click("#map button.chip:not(.none)[title^='Na in li3ocl']")
    page.until(lambda: page.text("#count") == "3 records")
    chip = page.one("#map button[aria-pressed=true]")
    assert chip.text.split()[0] == "Na"
    barriers = [float(text) for text in page.texts("#barriers tbody td:nth-child(6)")]
    assert barriers == sorted(barriers)
    assert min(barriers) == pytest.approx(float(chip.text.split()[1]), abs=0.006)
    page.click("#map button[aria-pressed=true]")
    page.until(lambda: page.text("#count") != "3 records")


def test_the_table_is_sorted_and_turned_by_the_server(page):
    page.open()
    page.click("#barriers [data-sort=barrier]")
    page.rest()
    page.until(lambda: page.all("th[aria-sort=ascending] [data-sort=barrier]"))
    page.click("#barriers [data-sort=barrier]")
    page.until(lambda: page.all("th[aria-sort=descending] [data-sort=barrier]"))
    page.rest()
    shown = page.texts("#barriers tbody td:nth-child(6)")
    barriers = [float(text) for text in shown if text != "–"]
    assert barriers == sorted(barriers, reverse=True)
    page.click("#after")
    page.until(lambda: page.text("#page").startswith("26"))
    assert page.one("#before").is_enabled()


def test_a_hop_is_opened_played_and_left_at_an_image(page):
    page.open("?framework=li6ps5cl&ion=Cu")
    page.click("#barriers tbody tr:nth-child(2)")
    page.opened("Cu in li6ps5cl, h2")
    assert len(page.all("#profile .target")) == 7
    assert len(page.all("#profile .curve")) == 2
    # At the highest image at first.
    assert page.one("#image").get_attribute("value") == "3"
    page.until(page.drawn)
    colours = page.js(
        "const c = document.getElementById('scene');"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        "const s = new Set(); for (let k = 0; k < d.length; k += 4) if (d[k + 3] > 200)"
        "  s.add(d[k] + ',' + d[k + 1] + ',' + d[k + 2]); return s.size"
    )
    assert colours > 100
    start, mark = page.place(), page.one("#profile .now").get_attribute("transform")
    page.click("#play")
    assert page.text("#play") == "Pause"
    page.until(lambda: page.place() != start)
    page.until(lambda: page.one("#profile .now").get_attribute("transform") != mark)
    page.until(lambda: abs(page.place() - start) > 1.2)
    page.click("#play")
    page.until(lambda: page.place() == int(page.one("#image").get_attribute("value")))
    image = int(page.place())
    # Profile, slider and atoms stand at the same image.
    target = page.all("#profile .target")[image]
    x, y = (float(target.get_attribute(name)) for name in ("cx", "cy"))
    moved = page.one("#profile .now").get_attribute("transform")
    numbers = [float(word) for word in moved.removeprefix("translate(").rstrip(")").split()]
    assert numbers == pytest.approx([x, y], abs=0.02)
    assert page.text("#image-text").startswith(f"image {image + 1} of 7")
    assert f"image={image}" in page.driver.current_url


def test_a_click_on_the_profile_goes_to_that_image(page):
    page.open("?framework=li6ps5cl&ion=Cu")
    page.click("#profile .target:last-child")
    page.until(lambda: page.one("#image").get_attribute("value") == "6")
    page.until(lambda: page.place() == 6)


def test_the_other_ion_is_switched_to_at_the_same_image(page):
    page.open("?framework=li6ps5cl&ion=Cu")
    page.js(
        "const s = document.getElementById('image'); s.value = 2;"
        "s.dispatchEvent(new Event('input'))"
    )
    page.click("#ions button[aria-pressed=false]")
    page.opened("Li in li6ps5cl, h1")
    page.until(lambda: page.place() == 2)
    assert page.one("#ions button[aria-pressed=true] b").text == "Li"
    page.driver.back()
    page.opened("Cu in li6ps5cl, h1")


def test_a_hop_of_the_network_is_opened(page):
    page.open("?framework=li6ps5cl&ion=Cu")
    page.opened("Cu in li6ps5cl, h1")
    assert len(page.all("#network .hop")) == 4
    page.click("#hops tbody tr:nth-child(3) td:last-child a")
    page.opened("Cu in li6ps5cl, h3")
    assert page.one("#hops tr[aria-current=true] th").text == "h3"


def test_downloads_arrive(page, tmp_path):
    page.open("?framework=li6ps5cl&ion=Cu")
    page.opened("Cu in li6ps5cl")
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    for button, ending in (("#csv", ".csv"), ("#json", ".json"), ("#xyz", ".extxyz")):
        page.click(button)
        file = page.until(lambda ending=ending: next(tmp_path.glob(f"*{ending}"), None))
        text = page.until(file.read_text)
        if ending == ".csv":
            rows = list(csv.DictReader(io.StringIO(text)))
            assert {(row["framework"], row["moving_ion"]) for row in rows} == {("li6ps5cl", "Cu")}
        elif ending == ".json":
            assert json.loads(text)["moving_ion"] == "Cu"
        else:
            assert text.startswith("12\n")


def test_a_link_brings_back_filter_record_and_image(page):
    page.open("?framework=li6ps5cl&ion=Cu&sort=barrier:desc")
    page.click("#barriers tbody tr:nth-child(1)")
    page.opened("Cu in li6ps5cl, h3")
    page.js(
        "const s = document.getElementById('image'); s.value = 5;"
        "s.dispatchEvent(new Event('input'))"
    )
    link = page.one("#link").get_attribute("href")
    page.driver.get("about:blank")
    page.open(url=link)
    page.opened("Cu in li6ps5cl, h3")
    assert page.one("#image").get_attribute("value") == "5"
    assert page.one("#filters [name=framework]").get_attribute("value") == "li6ps5cl"
    assert page.text("#count") == "3 records"
    assert page.all("th[aria-sort=descending] [data-sort=barrier]")
    assert page.all("#barriers tr[aria-current=true]")


def test_all_can_be_done_by_keyboard(page):
    from selenium.webdriver.common.keys import Keys

    page.open("?framework=li6ps5cl")
    page.one("body").send_keys(Keys.TAB)
    assert page.driver.switch_to.active_element.text == "Skip to the table of barriers"
    page.press(Keys.ENTER)
    focused = "return document.activeElement.id || document.activeElement.tagName"
    assert page.js(focused) == "table-title"
    visited = []
    while not page.js("return document.activeElement.matches('#barriers tbody a')"):
        page.press(Keys.TAB)
        visited.append(page.js(focused))
        assert page.js("return getComputedStyle(document.activeElement).outlineStyle") != "none"
        assert len(visited) < 40
    for _ in range(3):
        page.press(Keys.ARROW_DOWN)
    page.press(Keys.ARROW_UP)
    row = page.js("return document.activeElement.closest('tr').dataset.id")
    ids = page.js(
        "return [...document.querySelectorAll('#barriers tbody tr')].map(r => r.dataset.id)"
    )
    assert ids.index(row) == 2
    page.press(Keys.ENTER)
    page.until(lambda: f"record={row}" in page.driver.current_url)
    page.until(lambda: page.all("#hops tbody tr"))
    # Everything after it is reached by Tab, in order.
    wanted = ["play", "image", "scene", "show-bonds", "show-cell", "view-reset", "link", "json"]
    met: list[str] = []
    for _ in range(90):
        page.press(Keys.TAB)
        met.append(page.js(focused))
        if met[-1] == "image":
            before = page.one("#image").get_attribute("value")
            page.press(Keys.ARROW_RIGHT)
            page.until(lambda: page.one("#image").get_attribute("value") != before)  # noqa: B023
        if met[-1] == "scene":
            look = page.js("return document.getElementById('scene').toDataURL()")
            page.press(Keys.ARROW_LEFT)
            page.press("+")
            page.until(
                lambda: page.js("return document.getElementById('scene').toDataURL()") != look  # noqa: B023
            )
        if met[-1] == "json":
            break
    assert [name for name in met if name in wanted] == wanted


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_needs_no_sideways_scrolling(page, scheme):
    page.resize(PHONE, scheme)
    page.open("?framework=li6ps5cl&ion=Cu")
    assert page.js("return document.documentElement.scrollWidth") <= PHONE[0]
    page.click("#barriers tbody tr:nth-child(1) a")
    page.opened("Cu in li6ps5cl, h1")
    assert page.js("return document.documentElement.scrollWidth") <= PHONE[0]
    # The reader is taken to the record.
    page.until(lambda: page.js("return document.activeElement.id") == "record-title")
    assert 0 <= page.js("return document.activeElement.getBoundingClientRect().top") < PHONE[1]


def rgb(colour):
    return f"rgb({', '.join(str(int(colour[k : k + 2], 16)) for k in (1, 3, 5))})"


def test_dark_and_light_follow_the_system_and_the_button(page):
    ground = "return getComputedStyle(document.body).backgroundColor"
    page.resize(DESK, "dark")
    page.open()
    assert page.js(ground) == rgb(DARK["paper"])
    page.click("#theme")
    assert page.text("#theme") == "Theme: light"
    assert page.js(ground) == rgb(LIGHT["paper"])
    page.open()  # it is remembered
    assert page.js(ground) == rgb(LIGHT["paper"])
    page.click("#theme")
    page.click("#theme")
    assert page.js(ground) == rgb(DARK["paper"])


def test_a_name_that_is_code_is_shown_as_text(page, hostile):
    page.open()
    page.choose("framework", hostile)
    page.opened("in")
    page.click("#barriers tbody tr:nth-child(1)")
    page.opened(hostile)
    assert page.all("img") == []
    assert page.text("#barriers tbody a") == hostile


def test_a_record_that_is_gone_is_told(page):
    page.open("?record=gone")
    assert "there is no record" in page.text("#record-level")
    assert not page.one("#record-body").is_displayed()


@pytest.mark.parametrize("size", [DESK, PHONE])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(page, size, scheme):
    page.driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": True})
    page.resize(size, scheme)
    page.open("?framework=li6ps5cl&ion=Cu&pair=Li,Cu")
    page.click("#barriers tbody tr:nth-child(1) a")
    page.opened("Cu in li6ps5cl")
    page.js("for (const d of document.querySelectorAll('details')) d.open = true")
    page.js(AXE.read_text(encoding="utf-8") + "; window.axe = axe")
    found = page.driver.execute_async_script(
        "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']})"
        ".then(r => done(r.violations), e => done(String(e)))"
    )
    assert isinstance(found, list), found
    bad = {
        one["id"]: [node["html"][:160] for node in one["nodes"]][:4]
        for one in found
        if one["impact"] in {"serious", "critical"}
    }
    assert bad == {}


def test_pictures_for_the_documentation(driver, sample_server, tmp_path):
    page = Page(driver, sample_server.url)
    driver.execute_cdp_cmd("Page.setBypassCSP", {"enabled": False})
    shots = {"explorer.png": (DESK, "light"), "explorer-phone.png": (PHONE, "dark")}
    folder = Path(os.environ.get("DUALION_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (size, scheme) in shots.items():
        page.resize(size, scheme)
        page.open("?sort=barrier&record=li6ps5clh1Cu0000")
        page.opened("Cu in li6ps5cl")
        page.until(page.drawn)
        if size == PHONE:
            page.js("document.getElementById('record').scrollIntoView()")
        time.sleep(0.5)
        assert driver.save_screenshot(str(folder / name))
        assert (folder / name).stat().st_size > 20_000
