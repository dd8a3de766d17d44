"""The script of a page run by node, on the little of a document that it asks for."""

import json
import re
import shutil
import subprocess
from typing import Any

NODE = shutil.which("node")

DOCUMENT = r"""
class Element {
  constructor(id = "") {
    Object.assign(this, { id, dataset: {}, options: [], children: [], parts: new Map() });
    Object.assign(this, { heard: {}, attributes: {}, textContent: "", value: "" });
    this.selectedIndex = 0;
    Object.assign(this, { clientWidth: 900, clientHeight: 300, offsetHeight: 20, offsetWidth: 80 });
    Object.assign(this, { scrollWidth: 900, scrollHeight: 300, scrollLeft: 0, scrollTop: 0 });
    this.style = { setProperty() {} };
    this.classList = { toggle() {} };
  }
  setAttribute(name, value) { this.attributes[name] = String(value); }
  append(...more) { this.children.push(...more); }
  replaceChildren(...all) { this.children = all; this.options = all; }
  addEventListener(name, called) { this.heard[name] = called; }
  querySelector(name) {
    if (name === "select") return null;
    if (!this.parts.has(name)) this.parts.set(name, new Element(name));
    return this.parts.get(name);
  }
}
const { figures, traces, choices, scripts } = JSON.parse(require("fs").readFileSync(0, "utf8"));
const known = new Map();
for (const [id, held] of [["data-figures", figures], ["data-traces", traces]]) {
  known.set(id, Object.assign(new Element(id), { textContent: JSON.stringify(held) }));
}
const slotOf = (key) => Object.assign(new Element(), { dataset: { slot: key } });
const slots = Object.keys(figures).map(slotOf);
const document = {
  documentElement: new Element(),
  getElementById(id) { if (!known.has(id)) known.set(id, new Element(id)); return known.get(id); },
  querySelectorAll: (name) => (name === "figure[data-slot]" ? slots : []),
  createElement: (name) => new Element(name),
  createElementNS: (_, name) => new Element(name),
};
const window = { addEventListener() {} };
const Option = class extends Element { constructor(text) { super(); this.textContent = text; } };
let last = null;
const watched = `const plain = Draw.draw;
Draw.draw = (host, spec) => { plain(host, spec); seen(spec); };`;
new Function("document", "window", "Option", "seen", `${scripts[0]}\n${watched}\n${scripts[1]}`)(
  document, window, Option, (spec) => { last = spec; });
const shown = choices.map((choice) => {
  for (const [name, value] of Object.entries(choice)) {
    const part = document.getElementById("trace-" + name);
    if (name === "origin") part.value = value; else part.selectedIndex = value;
    part.heard[name === "origin" ? "input" : "change"]();
  }
  return last;
});
console.log(JSON.stringify({ drawn: document.documentElement.dataset.drawn, shown }));
"""


def held(page: str, name: str) -> Any:
    """What a page holds as JSON below a name."""
    found = re.search(f'<script type="application/json" id="{name}">(.*?)</script>', page, re.S)
    assert found is not None
    return json.loads(found.group(1))


def drawn_by_node(page: str, *choices: dict[str, int]) -> tuple[int, list[dict[str, Any]]]:
    """How many figures the script of a page draws, and the figure of forecasts at each choice.

    Args:
        page: The page.
        choices: Settings of the figure, one after the other: period, sensor, lead, origin.
    """
    script = page[page.rindex("<script>") + len("<script>") : page.rindex("</script>")]
    start = script.rindex('"use strict";')
    given = {
        "figures": held(page, "data-figures"),
        "traces": held(page, "data-traces"),
        "choices": choices,
        "scripts": (script[:start], script[start:]),
    }
    command = [str(NODE), "-e", DOCUMENT]
    found = subprocess.run(
        command, input=json.dumps(given), capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stderr
    answer = json.loads(found.stdout)
    return int(answer["drawn"]), answer["shown"]
