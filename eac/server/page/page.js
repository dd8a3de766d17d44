"use strict";
const SVG = "http://www.w3.org/2000/svg";
const EVERY = 2000, BEFORE = 48;
const byId = (id) => document.getElementById(id);
let sensors = [], chosen = null, lastEvent = 0, drawn = "";

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

async function get(path) {
  const answer = await fetch(path);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.detail || answer.statusText);
  return body;
}

function shown() {
  const wanted = byId("find").value.toLowerCase();
  return sensors.filter((s) => s.unique_id.toLowerCase().includes(wanted)).slice(0, 500);
}

function list() {
  const rows = shown().map((sensor, i) => {
    const row = document.createElement("li");
    row.id = "sensor-" + i;
    row.role = "option";
    const said = [sensor.silent_steps > 0 && "silent for " + sensor.silent_steps, sensor.event, sensor.masked && "masked"].filter(Boolean);
    row.textContent = sensor.unique_id + (said.length ? " (" + said.join(", ") + ")" : "");
    row.setAttribute("aria-selected", sensor.unique_id === chosen);
    if (sensor.unique_id === chosen) byId("sensors").setAttribute("aria-activedescendant", row.id);
    row.addEventListener("click", () => choose(sensor.unique_id));
    return row;
  });
  byId("sensors").replaceChildren(...rows);
}

function map() {
  const placed = sensors.filter((s) => s.position);
  byId("map").toggleAttribute("hidden", !placed.length);
  if (!placed.length) return;
  const xs = placed.map((s) => s.position[0]), ys = placed.map((s) => s.position[1]);
  const [left, right, low, high] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const dots = placed.map((s) => {
    const x = 12 + 376 * (s.position[0] - left) / (right - left || 1);
    const y = 288 - 276 * (s.position[1] - low) / (high - low || 1);
    const kind = "dot" + (s.silent_steps > 0 || s.event ? " silent" : "") + (s.unique_id === chosen ? " chosen" : "");
    const dot = element("circle", { cx: x, cy: y, r: s.unique_id === chosen ? 7 : 4, class: kind });
    dot.append(element("title", {}, s.unique_id));
    dot.addEventListener("click", () => choose(s.unique_id));
    return dot;
  });
  byId("map").replaceChildren(...dots);
}

function choose(id) {
  chosen = id;
  drawn = "";
  list();
  map();
  byId("sensors").querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  fan().catch(fail);
}

async function fan() {
  if (!chosen) return;
  const name = encodeURIComponent(chosen);
  const wide = await get("forecast?sensors=" + name + "&level=80,95").catch(() => get("forecast?sensors=" + name));
  const key = JSON.stringify([wide.issued, wide.generation.number, wide.forecasts[0]]);
  if (key === drawn) return;
  const past = await get("readings?sensor=" + name + "&last=" + BEFORE);
  const f = wide.forecasts[0], ahead = f.y_hat.length, total = past.y.length + ahead;
  const bands = [95, 80].filter((level) => f["y_hat-lo-" + level]);
  const all = [...past.y, ...f.y_hat, ...bands.flatMap((l) => [...f["y_hat-lo-" + l], ...f["y_hat-hi-" + l]])].filter((v) => v !== null);
  const low = Math.min(...all), high = Math.max(...all);
  const x = (i) => 44 + 590 * i / (total - 1 || 1), y = (v) => 275 - 260 * (v - low) / (high - low || 1);
  const path = (values, from) => values.reduce((d, v, i) => v === null ? d : d + (d && values[i - 1] !== null ? "L" : "M") + x(from + i) + " " + y(v), "");
  const parts = [element("line", { x1: 44, x2: 634, y1: 275, y2: 275, class: "axis" })];
  for (const v of [low, (low + high) / 2, high]) parts.push(element("text", { x: 0, y: y(v) + 4 }, v.toPrecision(3)));
  for (const level of bands) {
    const up = f["y_hat-hi-" + level].map((v, i) => x(past.y.length + i) + "," + y(v));
    const down = f["y_hat-lo-" + level].map((v, i) => x(past.y.length + i) + "," + y(v)).reverse();
    parts.push(element("polygon", { points: [...up, ...down].join(" "), class: level === 95 ? "wide" : "narrow" }));
  }
  parts.push(element("path", { d: path(past.y, 0), class: "read" }), element("path", { d: path(f.y_hat, past.y.length), class: "middle" }));
  parts.push(element("text", { x: 44, y: 295 }, past.ds[0]), element("text", { x: 634, y: 295, "text-anchor": "end" }, f.ds[ahead - 1]));
  byId("fan").replaceChildren(...parts);
  byId("fan-text").textContent = chosen + ": readings, then " + ahead + " steps from " + wide.issued +
    (bands.length ? " with intervals of " + bands.join(" and ") + " %" : "") + (f.note ? " (" + f.note + ")" : "");
  drawn = key;
}

async function look() {
  try {
    const ready = await get("readyz");
    sensors = await get("sensors");
    if (!chosen && sensors.length) chosen = sensors[0].unique_id;
    list();
    map();
    await fan();
    const g = ready.generation;
    byId("status").textContent = "generation " + g.number + ", period " + g.period + ", artifact " + g.artifact.slice(0, 12) + ", " + sensors.length + " sensors";
    for (const event of await get("events?after=" + lastEvent)) {
      const row = document.createElement("li");
      row.textContent = [event.ds, event.kind, event.unique_id, event.detail, event.action].filter(Boolean).join(" · ");
      byId("events").prepend(row);
      lastEvent = event.number;
    }
    const asked = (await get("requests")).map((request) => {
      const row = document.createElement("li");
      row.textContent = [request.ds, request.action, request.unique_id, request.detail, request.advice].filter(Boolean).join(" · ");
      return row;
    });
    byId("requests").replaceChildren(...asked);
    byId("asked").toggleAttribute("hidden", !asked.length);
  } catch (error) {
    fail(error);
  }
  setTimeout(look, EVERY);
}

function fail(error) {
  byId("status").textContent = error.message;
}

byId("find").addEventListener("input", list);
byId("sensors").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const rows = shown(), at = rows.findIndex((s) => s.unique_id === chosen);
  const next = rows[Math.min(Math.max(at + step, 0), rows.length - 1)];
  if (next) choose(next.unique_id);
});
look();
