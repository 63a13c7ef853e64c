"""What the page does on a phone."""

import re

import pytest


@pytest.fixture
def phone(browser, finished):
    """The page on a phone without a network; fails on any message of the console."""
    context = browser.new_context(viewport={"width": 390, "height": 844}, offline=True)
    page, messages = context.new_page(), []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("requestfailed", lambda request: messages.append(request.url))
    page.goto(f"file://{finished / 'report.html'}")
    yield page
    context.close()
    assert messages == []


def test_a_phone_shows_the_page_without_scrolling_sideways(phone):
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    broken = "[...document.images].filter((image) => !image.naturalWidth).length"
    assert phone.evaluate(broken) == 0
    assert phone.locator("h2").first.inner_text() == "Verdict"


def test_the_slider_uncovers_the_refined_image(phone):
    cut = "getComputedStyle(document.getElementById('after')).clipPath"
    assert phone.evaluate(cut) == "inset(0px 0px 0px 50%)"
    phone.get_by_label("Drag: synthetic to refined").fill("20")
    assert phone.evaluate(cut) == "inset(0px 0px 0px 20%)"
    stage = phone.locator("#stage")
    stage.click(position={"x": 0.75 * stage.bounding_box()["width"], "y": 10})
    assert float(re.search(r"([\d.]+)%", phone.evaluate(cut))[1]) == pytest.approx(75, abs=1)


def test_an_example_and_a_moment_can_be_chosen(phone):
    source = "document.getElementById('after').src"
    first = phone.evaluate(source)
    phone.get_by_role("button", name="Example 3").click()
    third = phone.evaluate(source)
    phone.get_by_label("Refined at step").fill("0")
    assert len({first, third, phone.evaluate(source)}) == 3
    assert phone.locator("#moment-name").inner_text() == "10"


def test_labels_are_drawn_on_request_for_the_chosen_example(phone):
    drawings = phone.locator(".drawing:visible")
    assert drawings.count() == 0
    phone.get_by_label("Draw the simulator's labels").check()
    phone.get_by_role("button", name="Example 2").click()
    assert drawings.count() == 1
    assert drawings.get_attribute("aria-label") == "Labels of example 2"
