"""A headless Chromium for tests of pages: with a window of a size, light or dark, and what a person does in it."""

import os
import shutil
from importlib.util import find_spec

import pytest

_QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
          "--disable-component-update", "--disable-background-networking", "--disable-sync"]  # fmt: skip


def missing():
    """What a browser test needs and this machine lacks, in words; "" if it has all."""
    if find_spec("selenium") is None:
        return "selenium is not installed"
    browsers = ("chromium", "chromium-browser", "google-chrome")
    if not any(map(shutil.which, browsers)) or shutil.which("chromedriver") is None:
        return "there is no Chromium with its chromedriver"
    return ""


def start(profile):
    """Start a browser with a new profile in an empty directory; skip the test where there is none to be had."""
    if lack := missing():
        if os.environ.get("TINYNET_NEEDS_BROWSER"):
            pytest.fail(f"TINYNET_NEEDS_BROWSER is set, but {lack}")
        pytest.skip(lack)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    for argument in (*_QUIET, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.binary_location = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def open_page(driver, path, width=1280, dark=False):
    """Open a file in a window of a width; below 500 pixels it is a phone that is touched."""
    phone = width < 500
    size = {"width": width, "height": 844 if phone else 900, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    driver.get(path.as_uri())


def find(driver, id):
    """The element of an id, scrolled into the middle of the window."""
    element = driver.find_element("id", id)
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
    return element


def stroke(driver, element, points, kind="mouse"):
    """Draw a line through points, in shares of an element, with the mouse or a finger."""
    from selenium.webdriver.common.actions.action_builder import ActionBuilder
    from selenium.webdriver.common.actions.pointer_input import PointerInput

    pointer = PointerInput(kind, kind)
    actions = ActionBuilder(driver, mouse=pointer, duration=10)
    size = element.size
    for i, (x, y) in enumerate(points):
        at = int((x - 0.5) * size["width"]), int((y - 0.5) * size["height"])
        pointer.create_pointer_move(10, *at, origin=element)
        if i == 0:
            pointer.create_pointer_down(button=0)
    pointer.create_pointer_up(0)
    actions.perform()
    settle(driver)


def press(driver, *keys):
    """Press keys one after the other, wherever the focus is."""
    from selenium.webdriver.common.action_chains import ActionChains

    chain = ActionChains(driver, duration=0)
    for key in keys:
        chain.send_keys(key)
    chain.perform()
    settle(driver)


def settle(driver):
    """Wait until the page has shown what came of it."""
    driver.execute_async_script(
        "const done = arguments[0];"
        "const look = () => (playground.busy() ? setTimeout(look, 10) : done());"
        "requestAnimationFrame(look);"
    )


def complaints(driver):
    """What the page has written to the console since it was asked last."""
    return [entry["message"] for entry in driver.get_log("browser")]
