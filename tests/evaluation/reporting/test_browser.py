"""The page in a real browser: no error, pictures that are there, tables that sort."""

import json
import re
import shutil
import subprocess

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
PROBE = """<pre id="probe"></pre><script>
window.addEventListener("load", () => {
  const table = [...document.querySelectorAll("table.sortable")].find(
    (one) => one.tBodies[0].rows[0].cells[1].dataset.value);
  const heading = table.tHead.rows[0].cells[1];
  const values = () => [...table.tBodies[0].rows].map(
    (row) => row.cells[1].dataset.value ?? null);
  heading.firstElementChild.click();
  const up = values();
  heading.firstElementChild.click();
  document.getElementById("probe").textContent = JSON.stringify({
    up, down: values(), sort: heading.getAttribute("aria-sort"),
    images: [...document.images].map((image) => image.naturalWidth),
    drawings: [...document.querySelectorAll("svg")].map(
      (svg) => svg.getBoundingClientRect().height),
    wide: document.documentElement.scrollWidth - innerWidth,
  });
});
</script></body>"""


@pytest.fixture(scope="module", params=["1280,900", "390,844"])
def probe(request, page, tmp_path_factory):
    """What the browser says of the page, at a desktop's and a phone's width."""
    if BROWSER is None:
        pytest.skip("needs the browser chromium on the PATH")
    path = tmp_path_factory.mktemp("browser") / "page.html"
    text = page.read_text(encoding="utf-8")
    path.write_text(text.replace("</body>", PROBE), encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    command += [f"--window-size={request.param}", "--enable-logging=stderr"]
    command.append(f"file://{path}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.S)
    return json.loads(found.group(1)), done.stderr


def test_the_console_stays_silent(probe):
    assert "CONSOLE" not in probe[1]


def test_pictures_and_drawings_are_there(probe):
    found, _ = probe
    assert len(found["images"]) >= 4 and min(found["images"]) > 100
    assert len(found["drawings"]) >= 8 and min(found["drawings"]) > 50


def test_a_table_sorts_both_ways(probe):
    found, _ = probe
    numbers = [float(value) for value in found["up"] if value is not None]
    assert numbers == sorted(numbers) and len(set(numbers)) > 1
    assert found["down"] == found["up"][::-1] and found["sort"] == "descending"


def test_nothing_stands_out_on_the_right(probe):
    assert probe[0]["wide"] <= 0
