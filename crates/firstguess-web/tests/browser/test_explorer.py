"""What a person does with the explorer, done by a program."""

import json
import math
import pathlib
import re
import time
import urllib.parse
import urllib.request

import pytest
from axe_playwright_python.sync_playwright import Axe

RELU = "#activation=relu&weight_variance=2&bias_variance=0&depth=20&weight_end=4&bias_end=0.2"


def api(explorer, path, **fields):
    """The server's own answer to the same question."""
    query = urllib.parse.urlencode(fields)
    with urllib.request.urlopen(f"{explorer.address}api/{path}?{query}") as answer:
        return json.load(answer)


def middle(explorer):
    """The middle of the point that is moved, on the screen."""
    box = explorer.page.locator("#diagram-handle .dot").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def plot(explorer):
    """From variances to places on the screen."""
    box = explorer.page.locator("svg.map").bounding_box()
    scale = box["width"] / 520

    def place(weight, bias, weight_end=4, bias_end=0.2):
        x = 52 + weight / weight_end * (520 - 52 - 14)
        y = 12 + (1 - bias / bias_end) * (420 - 12 - 40)
        return box["x"] + x * scale, box["y"] + y * scale

    return place


def serious(results):
    """Faults that keep people out."""
    found = [fault for fault in results.response["violations"] if fault["impact"] in ("serious", "critical")]
    return [(fault["id"], [node["html"][:160] for node in fault["nodes"]]) for fault in found]


def test_the_page_loads_shows_the_servers_numbers_and_is_accessible(explorer):
    explorer.open(RELU)
    point = api(explorer, "point", activation="relu", weight_variance=2, bias_variance=0, depth=20)
    assert explorer.number("χ₁") == pytest.approx(point["chi_1"], rel=1e-3)
    assert "Edge of chaos" in explorer.page.locator("#verdict").inner_text()
    assert explorer.page.locator("#charts figure").count() == 6
    share = f"{100 * point['guess']['largest_share']:.1f} %"
    assert share in explorer.page.locator("#verdict").inner_text()
    explorer.until("document.querySelectorAll('svg[data-name=\"Class shares\"] rect').length === 10", 180)
    explorer.shot("light")
    assert serious(Axe().run(explorer.page)) == []
    explorer.clean()


def test_dragging_moves_point_profiles_and_address(explorer):
    explorer.open("#activation=tanh&weight_variance=1&bias_variance=0.05&depth=30&weight_end=4&bias_end=0.2")
    place = plot(explorer)
    before = explorer.page.locator("svg[data-name='Drift ratio γ'] path.curve").get_attribute("d")
    mouse = explorer.page.mouse
    mouse.move(*place(1, 0.05))
    mouse.down()
    times = []
    for step in range(1, 21):
        weight, bias = 1 + step * 0.1, 0.05 + step * 0.005
        answers = int(explorer.page.evaluate("document.body.dataset.answers"))
        begun = time.perf_counter()
        mouse.move(*place(weight, bias))
        explorer.until(f"Number(document.body.dataset.answers) > {answers}")
        times.append(time.perf_counter() - begun)
    mouse.up()
    print(f"update after a step of the drag: median {sorted(times)[10] * 1000:.0f} ms, slowest {max(times) * 1000:.0f} ms")
    explorer.until("location.hash.includes('weight_variance=3')")
    weight, bias = (float(explorer.page.input_value(f"#{name}")) for name in ("weight_variance", "bias_variance"))
    assert weight == pytest.approx(3, abs=0.02) and bias == pytest.approx(0.15, abs=0.001)
    # The point lies under the pointer to a pixel.
    assert middle(explorer) == pytest.approx(place(3, 0.15), abs=1)
    after = explorer.page.locator("svg[data-name='Drift ratio γ'] path.curve").get_attribute("d")
    assert before != after
    point = api(explorer, "point", activation="tanh", weight_variance=weight, bias_variance=bias, depth=30)
    assert explorer.number("correlation c*") == pytest.approx(point["c_star"], rel=1e-3)
    explorer.clean()


@pytest.mark.parametrize("explorer", [{"has_touch": True, "is_mobile": True, "viewport": {"width": 360, "height": 740}}], indirect=True)
def test_a_narrow_screen_has_no_sideways_scroll_and_takes_touch(explorer):
    explorer.open(RELU)
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= 360
    explorer.page.locator("svg.map").scroll_into_view_if_needed()
    explorer.page.touchscreen.tap(*plot(explorer)(1, 0.1))
    explorer.until("document.querySelector('#verdict').innerText.startsWith('Ordered')")
    assert float(explorer.page.input_value("#weight_variance")) == pytest.approx(1, abs=0.03)
    explorer.shot("narrow")
    assert serious(Axe().run(explorer.page)) == []
    explorer.clean()


def test_the_keyboard_moves_the_point_and_says_where_it_is(explorer):
    explorer.open(RELU)
    explorer.page.focus("#diagram-handle")
    explorer.page.keyboard.press("ArrowRight")
    explorer.until("document.querySelector('#weight_variance').value === '2.02'")
    explorer.page.keyboard.press("Shift+ArrowUp")
    explorer.until("document.querySelector('#bias_variance').value === '0.01'")
    text = explorer.page.get_attribute("#diagram-handle", "aria-valuetext")
    assert text == "weight variance 2.02, bias variance 0.01"
    explorer.until("document.querySelector('#verdict-live').innerText.startsWith('Chaotic')")
    explorer.clean()


def test_the_diagram_has_the_lines_of_the_theory_to_a_pixel(explorer):
    explorer.open("#activation=tanh&weight_variance=1&bias_variance=0.05&weight_end=4&bias_end=0.2")
    paths = explorer.page.eval_on_selector_all("#diagram-lines path", "nodes => nodes.map(node => [node.getAttribute('class'), node.getAttribute('d')])")
    lines = {kind: [tuple(map(float, pair.split(" "))) for pair in re.split("[ML]", d)[1:]] for kind, d in paths}
    assert set(lines) == {"edge", "neutrality"}

    def distance(point, a, b):
        (px, py), (ax, ay), (bx, by) = point, a, b
        length = (bx - ax) ** 2 + (by - ay) ** 2
        part = 0 if length == 0 else max(0, min(1, ((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length))
        return math.hypot(px - ax - part * (bx - ax), py - ay - part * (by - ay))

    # Roots at bias variances between the rows of the diagram, down to where the lines are nearly level.
    seen = 0
    for low, high in ((0.00011, 0.0007), (0.0013, 0.0031), (0.0117, 0.0333), (0.071, 0.113), (0.171, 0.199)):
        found = api(explorer, "phase", activation="tanh", bias_variance=f"{low}:{high}", resolution=2)
        rows = [("edge", row["bias_variance"], row["points"][0]["weight_variance"]) for row in found["edge_of_chaos"]]
        rows += [("neutrality", row["bias_variance"], row["weight_variance"]) for row in found["neutrality"]]
        for kind, bias, weight in rows:
            if weight is None or weight > 4:
                continue
            point = (52 + weight / 4 * 454, 12 + (1 - bias / 0.2) * 368)
            assert min(distance(point, a, b) for a, b in zip(lines[kind], lines[kind][1:])) < 0.5, (kind, bias, weight)
            seen += 1
    assert seen > 15
    explorer.clean()


def test_activations_change_and_a_wrong_expression_is_told_beside_its_field(explorer):
    explorer.open(RELU)
    explorer.page.select_option("#activation", "gelu")
    explorer.until("location.hash.includes('activation=gelu')")
    explorer.settled()
    assert explorer.page.input_value("#expression") == "gelu"
    explorer.page.select_option("#pool", "average")
    explorer.until("location.hash.includes('pool=average')")
    explorer.settled()
    explorer.page.select_option("#pool", "")
    explorer.page.fill("#expression", "x*sigmoid(1.702*x)")
    explorer.until("location.hash.includes('sigmoid')")
    explorer.settled()
    assert explorer.page.input_value("#activation") == ""
    explorer.page.fill("#expression", "2x + tann(x)")
    error = explorer.page.locator("#expression-error")
    error.wait_for()
    assert "write 2*x, not 2x" in error.inner_text()
    assert explorer.page.get_attribute("#expression", "aria-invalid") == "true"
    explorer.shot("wrong-expression")
    explorer.page.fill("#expression", "tanh(x)")
    error.wait_for(state="hidden")
    explorer.page.fill("#depth", "5000")
    explorer.page.locator("#setting-error").wait_for()
    assert "from 1 to 1000" in explorer.page.locator("#setting-error").inner_text()
    explorer.clean(refusals=8)


def test_every_activation_of_the_vocabulary_has_a_diagram_or_says_why(explorer):
    explorer.open(RELU)
    calls = explorer.page.eval_on_selector_all("#activation option", "all => all.map(one => one.value)")
    assert len(calls) > 20
    # The families that take seconds are left to the tests of the library.
    for call in ("linear", "leaky_relu", "silu", "sign", "erf", "squared_relu"):
        explorer.page.select_option("#activation", call)
        explorer.until(f"location.hash.includes('activation={call}&')")
        explorer.settled()
    explorer.clean()


def test_an_ensemble_runs_with_progress_and_its_dots_lie_on_the_theory(explorer):
    explorer.open("#activation=tanh&weight_variance=1.5&bias_variance=0.1&depth=8&width=64&classes=4")
    page = explorer.page
    page.fill("#draws", "64")
    page.fill("#samples", "60")
    page.click("#run")
    explorer.until("document.querySelector('#ensemble-status').innerText.startsWith('64 networks measured')")
    assert page.locator("svg[data-name='Variance q'] circle.measured").count() == 8
    assert page.locator("svg[data-name='Class shares'] circle.measured").count() == 4
    assert page.locator("#ensemble-result .finding").count() >= 1
    assert "OK" in page.locator("#ensemble-result h3").inner_text()
    page.locator("#picture").focus()
    assert "Largest share" in page.locator("#picture").inner_text()
    explorer.shot("ensemble")
    assert serious(Axe().run(page)) == []
    explorer.clean()


def test_an_ensemble_is_cancelled_and_the_page_stays_live(explorer):
    explorer.open("#activation=relu&weight_variance=2&bias_variance=0.1&depth=100&width=500")
    page = explorer.page
    page.fill("#draws", "10000")
    page.click("#run")
    explorer.until("/of 10000 networks/.test(document.querySelector('#ensemble-status').innerText)")
    page.focus("#diagram-handle")
    page.keyboard.press("ArrowRight")
    explorer.until("location.hash.includes('weight_variance=2.02')")
    page.click("#cancel")
    explorer.until("document.querySelector('#ensemble-status').innerText === 'Cancelled.'")
    assert page.is_enabled("#run") and page.is_disabled("#cancel")
    explorer.clean()


ONNX = pathlib.Path(__file__).parents[3] / "firstguess-io/tests/onnx/mlp_opset17.onnx"

SPEC = """name = "mine"
[data]
dataset = "digits"
samples = 60
standardize = "feature"
[init]
scheme = "torch_default"
[network]
layers = [{ repeat = 8, layers = [{ dense = 32 }, "relu"] }, { dense = 10 }]
[measure]
draws = 8
"""


def test_a_spec_gets_its_report_and_broken_files_are_told(explorer):
    explorer.open(RELU)
    page = explorer.page
    error = page.locator("#report-error")
    page.click("#check")
    assert "Choose a spec file" in error.inner_text()
    spec = {"name": "mine.toml", "mimeType": "application/toml", "buffer": SPEC.encode()}
    page.set_input_files("#spec-file", spec)
    page.set_input_files("#data-file", {"name": "broken.npz", "mimeType": "application/zip", "buffer": b"PK\x03\x04 nothing"})
    page.click("#check")
    explorer.until("document.querySelector('#report-error').innerText.includes('damaged zip')")
    explorer.shot("broken-file")
    page.set_input_files("#data-file", [])
    page.set_input_files("#spec-file", {**spec, "buffer": SPEC.replace("scheme", "shceme").encode()})
    page.click("#check")
    explorer.until("document.querySelector('#report-error').innerText.includes('did you mean `scheme`?')")
    page.set_input_files("#spec-file", {**spec, "name": "model.onnx"})
    page.click("#check")
    explorer.until("document.querySelector('#report-error').innerText.includes('`model.onnx`')")
    page.set_input_files("#spec-file", ONNX)
    page.click("#check")
    page.locator("#report-result h3:has-text('mlp_opset17')").wait_for()
    page.set_input_files("#spec-file", spec)
    page.click("#check")
    page.locator("#report-result .finding.error").first.wait_for()
    assert "NOT OK" in page.locator("#report-result h3").inner_text()
    assert "frozen-bias" in page.locator("#report-result").inner_text()
    explorer.shot("report")
    with page.expect_popup() as popup:
        page.click("#report-result a:text-is('Open the whole report')")
    whole = popup.value
    whole.wait_for_load_state()
    assert whole.title() == "NOT OK: mine"
    assert whole.evaluate("origin") == "null"
    whole.close()
    assert serious(Axe().run(page)) == []
    explorer.clean(refusals=3)


def test_a_link_brings_back_the_same_view(explorer, browser):
    explorer.open("#activation=gelu&pool=average:2&weight_variance=1.3&bias_variance=0.07&depth=17&width=99&classes=3&input_correlation=0.25&weight_end=3&bias_end=0.5")
    page = explorer.page
    page.click("#pin")
    page.wait_for_selector("#compared tbody tr:nth-child(2)")
    page.fill("#weight_variance", "2.1")
    explorer.until("location.hash.includes('weight_variance=2.1') && location.hash.includes('kept=')")
    explorer.settled()
    values = {name: page.input_value(f"#{name}") for name in ("expression", "pool", "pool-size", "weight_variance", "bias_variance", "depth", "width", "classes", "input_correlation", "weight-end", "bias-end")}
    chi = explorer.number("χ₁")
    second = browser.new_page()
    second.goto(page.url)
    second.wait_for_selector("#compared tbody tr:nth-child(2)")
    assert {name: second.input_value(f"#{name}") for name in values} == values
    assert values["weight_variance"] == "2.1" and values["expression"] == "gelu"
    end = time.monotonic() + 20
    while second.evaluate("document.body.dataset.busy") != "false" and time.monotonic() < end:
        time.sleep(0.01)
    other = second.locator("#limits dt:text-is('χ₁') + dd").inner_text()
    assert float(other) == chi
    second.close()
    explorer.clean()


def test_up_to_four_settings_are_compared(explorer):
    explorer.open("#activation=tanh&weight_variance=1&bias_variance=0.05&depth=20")
    page = explorer.page
    for count, weight in enumerate(("1.5", "2.5", "3.5"), start=2):
        page.click("#pin")
        page.wait_for_selector(f"#compared tbody tr:nth-child({count})")
        page.fill("#weight_variance", weight)
        explorer.until(f"document.querySelector('#compared tbody th').innerText.includes('σw² {weight},')")
    assert page.is_disabled("#pin")
    explorer.until("document.querySelectorAll('svg[data-name=\"Gradient\"] path.curve').length === 4")
    explorer.shot("compared")
    page.click("#compared tbody tr:nth-child(2) button:text-is('×')")
    explorer.until("document.querySelectorAll('#compared tbody tr').length === 3")
    assert page.is_enabled("#pin")
    explorer.clean()


@pytest.mark.parametrize("explorer", [{"color_scheme": "dark"}], indirect=True)
def test_dark_mode_follows_the_system_and_the_button(explorer):
    explorer.open("#activation=tanh&weight_variance=3&bias_variance=0.1&depth=40")
    page = explorer.page
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", dark)[:3])) < 150
    explorer.until("document.querySelectorAll('svg[data-name=\"Class shares\"] rect').length === 10", 180)
    explorer.shot("dark")
    assert serious(Axe().run(page)) == []
    page.click("#theme")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert sum(map(int, re.findall(r"\d+", light)[:3])) > 600
    explorer.clean()


def test_picture_data_and_spec_are_saved(explorer):
    explorer.open("#activation=tanh&weight_variance=1.5&bias_variance=0.05&depth=6")
    page = explorer.page

    def saved(button):
        with page.expect_download() as download:
            page.click(button)
        with open(download.value.path(), encoding="utf-8") as file:
            return download.value.suggested_filename, file.read()

    name, svg = saved("#save-svg")
    assert name == "phase-diagram.svg" and svg.startswith("<svg") and "class=" not in svg and "rgb(" in svg
    name, table = saved("#save-csv")
    rows = table.splitlines()
    assert name == "firstguess.csv" and len(rows) == 7 and rows[0].startswith("setting,layer,q,c,v,t,gamma,gradient")
    name, text = saved("#save-json")
    point = json.loads(text)["settings"][0]["point"]
    assert float(rows[1].split('",')[1].split(",")[1]) == point["layers"]["q"][0]
    name, toml = saved("#save-toml")
    assert name == "firstguess.toml" and 'scheme = "explicit"' in toml
    explorer.clean()
