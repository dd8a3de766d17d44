"use strict";
/* Charts as SVG. Colours are CSS variables, so that one drawing serves light, dark and print.
   A chart: {kind: "series" | "heat" | "map", ...} as eac.report.common.drawing writes it. */
const Draw = (() => {
  const NS = "http://www.w3.org/2000/svg";
  const states = new WeakMap();

  const svg = (name, attributes = {}, ...children) => {
    const made = document.createElementNS(NS, name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };
  const html = (name, className, ...children) => {
    const made = document.createElement(name);
    made.className = className;
    made.append(...children);
    return made;
  };
  const tint = (role) => `var(--${role})`;
  const known = (value) => value !== null && value !== undefined;
  const short = (text, most = 16) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

  const number = (value) => {
    if (!known(value)) return "–";
    const size = Math.abs(value);
    if (size >= 1e6 || (size > 0 && size < 1e-3)) return value.toExponential(2);
    return size >= 1000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(4));
  };

  const ticks = (low, high, count) => {
    const rough = (high - low || 1) / Math.max(1, count);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((f) => f * power).find((s) => s >= rough * 0.999);
    const found = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step; i += 1) {
      found.push(+(i * step).toPrecision(12));
    }
    return found;
  };

  /* ---- a plot: its SVG, its legend and what is shown under the pointer ---- */
  const begin = (host, spec, legend) => {
    const state = states.get(host) || { hidden: new Set(), view: null };
    if (state.spec && state.spec.key !== spec.key) Object.assign(state, { view: null });
    state.spec = spec;
    states.set(host, state);
    const keys = html("div", "keys");
    for (const item of legend) {
      const swatch = html("span", `swatch ${item.style}`);
      swatch.style.setProperty("--swatch", tint(item.role));
      const key = html("button", "key", swatch, item.name);
      key.type = "button";
      key.setAttribute("aria-pressed", String(!state.hidden.has(item.name)));
      key.addEventListener("click", () => {
        if (!state.hidden.delete(item.name)) state.hidden.add(item.name);
        draw(host, spec);
      });
      keys.append(key);
    }
    const tip = html("div", "tip");
    tip.hidden = true;
    host.replaceChildren(...(legend.length ? [keys] : []), tip);
    const size = { width: Math.max(260, host.clientWidth), height: 0 };
    size.height = Math.max(150, host.clientHeight - keys.offsetHeight);
    const root = svg("svg", { viewBox: `0 0 ${size.width} ${size.height}`, "aria-hidden": "true" });
    host.append(root);
    return { state, root, tip, ...size };
  };

  const text = (x, y, content, attributes = {}) =>
    svg("text", { x, y, ...attributes }, content);

  const showTip = (plot, host, x, y, title, rows) => {
    const list = rows.map(([role, name, value]) => {
      const swatch = html("span", "swatch line");
      swatch.style.setProperty("--swatch", tint(role));
      return html("div", "row", swatch, `${name} `, html("b", "", value));
    });
    plot.tip.replaceChildren(html("div", "when", title), ...list);
    plot.tip.hidden = false;
    const box = host.getBoundingClientRect(), wide = plot.tip.offsetWidth;
    plot.tip.style.left = `${Math.max(0, x + 14 + wide > box.width ? x - 14 - wide : x + 14)}px`;
    plot.tip.style.top = `${Math.max(0, Math.min(y, box.height - plot.tip.offsetHeight))}px`;
  };

  /* Drag to zoom, double click to see all again; at(px, py) is called while nothing is dragged. */
  const pointer = (host, plot, frame, at, leave, zoom) => {
    const area = svg("rect", { ...frame, class: "area" });
    const mark = svg("rect", { class: "drag", y: frame.y, height: frame.height, width: 0 });
    let from = null;
    const place = (event) => {
      const box = plot.root.getBoundingClientRect(), scale = plot.width / box.width;
      return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale, event];
    };
    area.addEventListener("pointermove", (event) => {
      const [x, y] = place(event);
      if (from !== null) {
        mark.setAttribute("x", Math.min(from[0], x));
        mark.setAttribute("width", Math.abs(x - from[0]));
        if (plot.state.spec.kind === "map") {
          mark.setAttribute("y", Math.min(from[1], y));
          mark.setAttribute("height", Math.abs(y - from[1]));
        }
      } else {
        at(x, y, event.clientX - host.getBoundingClientRect().left,
          event.clientY - host.getBoundingClientRect().top);
      }
    });
    area.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "mouse") from = place(event);
    });
    area.addEventListener("pointerup", (event) => {
      const to = place(event);
      if (from !== null && Math.abs(to[0] - from[0]) > 8) zoom(from, to);
      from = null;
      mark.setAttribute("width", 0);
    });
    area.addEventListener("pointerleave", () => { from = null; mark.setAttribute("width", 0); leave(); });
    area.addEventListener("dblclick", () => zoom(null, null));
    plot.root.append(mark, area);
  };

  /* ---- lines, bars and bands on common axes ---- */
  const DAY = 864e5;
  const TIME_STEPS = [9e5, 36e5, 108e5, 216e5, 432e5, DAY, 2 * DAY, 7 * DAY, 30 * DAY, 91 * DAY, 365 * DAY];
  const stamp = (value) => new Date(value).toISOString().slice(0, 16).replace("T", " ");

  const horizontal = (spec) => {
    const all = spec.marks.flatMap((mark) => mark.x);
    if (spec.axis === "category") {
      const names = [...new Set(all)], index = new Map(names.map((name, i) => [name, i]));
      return { names, of: (x) => index.get(x), range: [-0.5, names.length - 0.5],
        told: (x) => `${spec.x_label} ${names[x]}` };
    }
    const low = Math.min(...all), high = Math.max(...all);
    const told = spec.axis === "time" ? stamp : (x) => `${spec.x_label} ${number(x)}`;
    return { of: (x) => x, range: low < high ? [low, high] : [low - 1, high + 1], told };
  };

  const labels = (spec, along, view, width) => {
    if (spec.axis === "category") {
      const first = Math.max(0, Math.ceil(view[0])), last = Math.min(along.names.length - 1, Math.floor(view[1]));
      const longest = Math.max(2, ...along.names.map((name) => short(name).length));
      const crowd = (last - first + 1) * (longest * 7.2 + 10) / width;
      const rows = crowd > 1 && crowd <= 2 ? 2 : 1;  // every label, in two rows where one is too short
      const every = Math.max(1, Math.ceil(crowd / rows));
      const found = [];
      for (let i = first; i <= last; i += every) found.push([i, short(along.names[i]), (i - first) % rows]);
      return found;
    }
    if (spec.axis === "time") {
      const count = Math.max(2, width / 110), span = view[1] - view[0];
      const step = TIME_STEPS.find((s) => span / s <= count) || TIME_STEPS.at(-1);
      const found = [];
      for (let at = Math.ceil(view[0] / step) * step; at <= view[1]; at += step) {
        found.push([at, step < DAY ? stamp(at).slice(5) : stamp(at).slice(0, 10)]);
      }
      return found;
    }
    const found = ticks(...view, Math.min(12, width / 55));
    return found.filter((at) => view[1] - view[0] < 3 || Number.isInteger(at)).map((at) => [at, number(at)]);
  };

  const tops = (spec, along, marks, view) => {
    let low = spec.from_zero ? 0 : Infinity, high = spec.from_zero ? 0 : -Infinity;
    const up = new Map(), down = new Map();
    for (const mark of marks) {
      mark.x.forEach((x, i) => {
        const at = along.of(x);
        if (at < view[0] || at > view[1]) return;
        for (const value of mark.kind === "band" ? [mark.low[i], mark.high[i]] : [mark.y[i]]) {
          if (!known(value)) continue;
          let edge = value;
          if (mark.kind === "bar" && spec.stacked) {
            const side = value < 0 ? down : up;
            edge = (side.get(at) || 0) + value;
            side.set(at, edge);
          }
          low = Math.min(low, edge); high = Math.max(high, edge);
        }
      });
    }
    if (low > high) [low, high] = [0, 1];
    if (known(spec.top) && high > spec.top) high = spec.top;
    const room = 0.05 * (high - low || Math.abs(high) || 1);
    return [low === 0 ? 0 : low - room, high === 0 ? 0 : high + room];
  };

  const path = (mark, along, px, py, values) => {
    let out = "", pen = false;
    mark.x.forEach((x, i) => {
      if (!known(values[i])) { pen = false; return; }
      out += `${pen ? "L" : "M"}${px(along.of(x)).toFixed(1)} ${py(values[i]).toFixed(1)}`;
      pen = true;
    });
    return out;
  };

  const band = (mark, along, px, py) => {
    const there = mark.x.map((_, i) => i).filter((i) => known(mark.low[i]) && known(mark.high[i]));
    const point = (i, values) => `${px(along.of(mark.x[i])).toFixed(1)} ${py(values[i]).toFixed(1)}`;
    const edge = [...there.map((i) => point(i, mark.high)), ...there.reverse().map((i) => point(i, mark.low))];
    return svg("path", { d: edge.length ? `M${edge.join("L")}Z` : "", class: "band", style: `fill:${tint(mark.role)}` });
  };

  const bars = (group, spec, marks, along, px, py, base) => {
    const own = marks.filter((mark) => mark.kind === "bar");
    const full = 0.8 * (px(1) - px(0)), wide = Math.max(0.5, spec.stacked ? full : full / own.length);
    const ends = new Map();
    own.forEach((mark, position) => mark.x.forEach((x, i) => {
      const value = mark.y[i];
      if (!known(value)) return;
      const at = along.of(x), side = `${at} ${value < 0}`;
      const from = spec.stacked ? ends.get(side) || 0 : 0;
      ends.set(side, from + value);
      const [a, b] = [py(from), py(from + value)];
      const left = px(at) - full / 2 + (spec.stacked ? 0 : position * wide);
      const role = (mark.marked || []).includes(i) ? "bad" : mark.role;
      group.append(svg("rect", { x: left.toFixed(1), y: Math.min(a, b).toFixed(1), width: wide.toFixed(1),
        height: Math.max(0.5, Math.abs(a - b)).toFixed(1), style: `fill:${tint(role)}` }));
    }));
    if (own.length && base > 0) group.append(svg("line", { class: "zero", x1: 0, x2: 1e4, y1: py(0), y2: py(0) }));
  };

  const series = (host, spec) => {
    const styles = { bar: "box", band: "box", line: "line" };
    const legend = spec.marks.length > 1
      ? spec.marks.map((m) => ({ name: m.name, role: m.role, style: m.dash ? "dash" : styles[m.kind] })) : [];
    const plot = begin(host, spec, legend), { state, root, width, height } = plot;
    const marks = spec.marks.filter((mark) => !state.hidden.has(mark.name));
    const along = horizontal(spec), view = state.view || along.range;
    const [low, high] = tops(spec, along, marks, view);
    const rungs = ticks(low, high, Math.max(2, height / 55));
    const left = 14 + 7.4 * Math.max(...rungs.map((at) => number(at).length), 2);
    const below = labels(spec, along, view, width - left - 12);
    const second = below.some(([, , row]) => row) ? 14 : 0;
    const frame = { x: left, y: 24, width: width - left - 12, height: height - 24 - 46 - second };
    const px = (x) => frame.x + ((x - view[0]) / (view[1] - view[0])) * frame.width;
    const py = (y) => frame.y + frame.height - ((y - low) / (high - low || 1)) * frame.height;
    const clip = `clip-${spec.key}`;
    const wider = { x: frame.x - 4, width: frame.width + 8, y: frame.y, height: frame.height + 1 };
    root.append(svg("clipPath", { id: clip }, svg("rect", wider)));
    root.append(text(2, 12, spec.y_label, { class: "axis" }));
    const last = spec.axis === "time" ? "" : spec.x_label;
    root.append(text(frame.x + frame.width, height - 6, last, { class: "axis", "text-anchor": "end" }));
    for (const at of rungs) {
      root.append(svg("line", { class: "rung", x1: frame.x, x2: frame.x + frame.width, y1: py(at), y2: py(at) }));
      root.append(text(frame.x - 6, py(at) + 4, number(at), { "text-anchor": "end" }));
    }
    for (const [at, label, row = 0] of below) {
      root.append(text(px(at), frame.y + frame.height + 17 + 14 * row, label, { "text-anchor": "middle" }));
    }
    const inside = svg("g", { "clip-path": `url(#${clip})` });
    for (const mark of marks.filter((m) => m.kind === "band")) inside.append(band(mark, along, px, py));
    bars(inside, spec, marks, along, px, py, low < 0 ? 1 : 0);
    for (const mark of marks.filter((m) => m.kind === "line")) {
      const stroke = `stroke:${tint(mark.role)}`;
      inside.append(svg("path", { d: path(mark, along, px, py, mark.y), class: `line ${mark.dash ? "dash" : ""} ${mark.weight || ""}`, style: stroke }));
      if (mark.dash || mark.x.length > 24) continue;
      mark.x.forEach((x, i) => known(mark.y[i]) && inside.append(
        svg("circle", { cx: px(along.of(x)), cy: py(mark.y[i]), r: 3.5, style: `fill:${tint(mark.role)}` })));
    }
    const hair = svg("line", { class: "hair", y1: frame.y, y2: frame.y + frame.height, visibility: "hidden" });
    root.append(inside, hair);
    const places = [...new Set(marks.flatMap((mark) => mark.x.map(along.of)))].sort((a, b) => a - b);
    const rows = (at) => marks.flatMap((mark) => {
      const i = mark.x.findIndex((x) => along.of(x) === at);
      if (i < 0) return [];
      const told = mark.kind === "band" ? `${number(mark.low[i])} to ${number(mark.high[i])}` : number(mark.y[i]);
      return [[(mark.marked || []).includes(i) ? "bad" : mark.role, mark.name, told]];
    });
    pointer(host, plot, frame, (x, y, tipX, tipY) => {
      const wanted = view[0] + ((x - frame.x) / frame.width) * (view[1] - view[0]);
      if (!places.length) return;
      const at = places.reduce((best, one) => (Math.abs(one - wanted) < Math.abs(best - wanted) ? one : best));
      hair.setAttribute("x1", px(at)); hair.setAttribute("x2", px(at)); hair.setAttribute("visibility", "visible");
      showTip(plot, host, tipX, tipY, along.told(at), rows(at));
    }, () => { hair.setAttribute("visibility", "hidden"); plot.tip.hidden = true; }, (from, to) => {
      const value = ([x]) => view[0] + ((x - frame.x) / frame.width) * (view[1] - view[0]);
      state.view = from === null ? null : [value(from), value(to)].sort((a, b) => a - b);
      draw(host, spec);
    });
  };

  /* ---- colours of a value ---- */
  const heat = (share) => {
    const at = Math.max(0, Math.min(2.999, share * 3)), step = Math.floor(at);
    return `color-mix(in srgb, var(--heat${step + 1}) ${Math.round(100 * (at - step))}%, var(--heat${step}))`;
  };
  const scaleOf = (values) => {
    const there = values.filter(known), low = Math.min(...there), high = Math.max(...there);
    return { low, high, share: (v) => (high > low ? (v - low) / (high - low) : 0.5) };
  };
  const colourBar = (plot, scale, label, x, y, width) => {
    for (let i = 0; i < 24; i += 1) {
      plot.root.append(svg("rect", { x: x + (i * width) / 24, y, width: width / 24 + 0.6, height: 10, style: `fill:${heat((i + 0.5) / 24)}` }));
    }
    plot.root.append(text(x, y + 24, number(scale.low)), text(x + width, y + 24, number(scale.high), { "text-anchor": "end" }),
      text(x + width / 2, y + 24, label, { class: "axis", "text-anchor": "middle" }));
  };

  const matrix = (host, spec) => {
    const plot = begin(host, spec, []), { root, width, height } = plot;
    const scale = scaleOf(spec.cells.flat());
    const left = 16 + 7.2 * Math.max(...spec.rows.map((name) => short(name).length));
    const frame = { x: left, y: 22, width: width - left - 10, height: height - 22 - 88 };
    const wide = frame.width / spec.columns.length, tall = frame.height / spec.rows.length;
    root.append(text(2, 12, `${spec.y_label} ↓`, { class: "axis" }));
    root.append(text(frame.x + frame.width, frame.y + frame.height + 34, spec.x_label, { class: "axis", "text-anchor": "end" }));
    const everyRow = Math.ceil(14 / tall), everyColumn = Math.ceil((left - 6) / wide);
    spec.rows.forEach((name, r) => {
      if (r % everyRow === 0) root.append(text(left - 6, frame.y + (r + 0.5) * tall + 4, short(name), { "text-anchor": "end" }));
      spec.cells[r].forEach((value, c) => {
        if (!known(value)) return;
        const x = frame.x + c * wide, y = frame.y + r * tall;
        root.append(svg("rect", { x: x + 0.5, y: y + 0.5, width: Math.max(0.5, wide - 1), height: Math.max(0.5, tall - 1), style: `fill:${heat(scale.share(value))}` }));
        if (wide > 40 && tall > 15) root.append(text(x + wide / 2, y + tall / 2 + 4, number(value), { "text-anchor": "middle", class: "halo" }));
      });
    });
    spec.columns.forEach((name, c) => {
      if (c % everyColumn === 0) root.append(text(frame.x + (c + 0.5) * wide, frame.y + frame.height + 16, short(name), { "text-anchor": "middle" }));
    });
    colourBar(plot, scale, spec.value_label, frame.x, height - 32, Math.min(340, frame.width));
    pointer(host, plot, frame, (x, y, tipX, tipY) => {
      const c = Math.floor((x - frame.x) / wide), r = Math.floor((y - frame.y) / tall);
      const value = (spec.cells[r] || [])[c];
      if (!known(value)) { plot.tip.hidden = true; return; }
      showTip(plot, host, tipX, tipY, `${spec.y_label} ${spec.rows[r]}`, [["model", `${spec.x_label} ${spec.columns[c]}`, number(value)]]);
    }, () => { plot.tip.hidden = true; }, () => {});
  };

  const map = (host, spec) => {
    const plot = begin(host, spec, []), { state, root, width, height } = plot;
    const scale = scaleOf(spec.values);
    const frame = { x: 14, y: 14, width: width - 28, height: height - 28 - 44 };
    const ends = (values) => [Math.min(...values), Math.max(...values)];
    const view = state.view || [...ends(spec.x), ...ends(spec.y)];
    const fit = Math.min(frame.width / (view[1] - view[0] || 1), frame.height / (view[3] - view[2] || 1));
    const middle = [(view[0] + view[1]) / 2, (view[2] + view[3]) / 2];
    const px = (x) => frame.x + frame.width / 2 + (x - middle[0]) * fit;
    const py = (y) => frame.y + frame.height / 2 - (y - middle[1]) * fit;
    const points = spec.names.map((_, i) => [px(spec.x[i]), py(spec.y[i])]);
    const inside = svg("g", { "clip-path": `url(#clip-${spec.key})` });
    root.append(svg("clipPath", { id: `clip-${spec.key}` }, svg("rect", { x: 0, y: 0, width, height: frame.height + 28 })), inside);
    const lines = spec.edges.map(([a, b]) => `M${points[a].map((v) => v.toFixed(1)).join(" ")}L${points[b].map((v) => v.toFixed(1)).join(" ")}`);
    inside.append(svg("path", { d: lines.join(""), class: "edges" }));
    const radius = spec.names.length <= 300 ? 5.5 : 3;
    const order = points.map((_, i) => i).sort((a, b) => (spec.values[a] ?? -1) - (spec.values[b] ?? -1));
    for (const i of order) {
      const fill = known(spec.values[i]) ? heat(scale.share(spec.values[i])) : "none";
      inside.append(svg("circle", { cx: points[i][0].toFixed(1), cy: points[i][1].toFixed(1), r: radius, class: "sensor", style: `fill:${fill}` }));
    }
    for (const i of spec.marked) inside.append(svg("circle", { cx: points[i][0], cy: points[i][1], r: radius + 4, class: "ring" }));
    const taken = spec.marked.map((i) => [points[i][0] - 9, points[i][1] - 9, points[i][0] + 9, points[i][1] + 9]);
    for (const i of spec.marked) {
      const [x, y] = points[i], name = short(spec.names[i]), wide = 7.5 * name.length;
      const places = [[12, 4, "start"], [-12, 4, "end"], [10, -12, "start"], [10, 20, "start"], [-10, -12, "end"], [-10, 20, "end"], [12, 34, "start"], [12, -26, "start"]];
      const box = ([dx, dy, anchor]) => [x + dx - (anchor === "end" ? wide : 0), y + dy - 11, x + dx + (anchor === "end" ? 0 : wide), y + dy + 3];
      const free = ([a, b, c, d]) => a > 0 && c < width && taken.every(([e, f, g, h]) => c < e || a > g || d < f || b > h);
      const place = places.find((one) => free(box(one))) || places[0];
      taken.push(box(place));
      inside.append(text(x + place[0], y + place[1], name, { class: "halo", "text-anchor": place[2] }));
    }
    if (Number.isFinite(scale.low)) colourBar(plot, scale, spec.value_label, 14, height - 32, Math.min(340, width - 28));
    pointer(host, plot, { x: 0, y: 0, width, height: frame.height + 28 }, (x, y, tipX, tipY) => {
      const away = (i) => (points[i][0] - x) ** 2 + (points[i][1] - y) ** 2;
      const i = points.reduce((best, _, one) => (away(one) < away(best) ? one : best), 0);
      if (!points.length || away(i) > 400) { plot.tip.hidden = true; return; }
      showTip(plot, host, tipX, tipY, spec.names[i], [["model", spec.value_label, number(spec.values[i])]]);
    }, () => { plot.tip.hidden = true; }, (from, to) => {
      const place = ([x, y]) => [middle[0] + (x - frame.x - frame.width / 2) / fit, middle[1] - (y - frame.y - frame.height / 2) / fit];
      if (from === null) { state.view = null; } else {
        const [a, b] = [place(from), place(to)];
        state.view = [Math.min(a[0], b[0]), Math.max(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[1], b[1])];
      }
      draw(host, spec);
    });
  };

  const draw = (host, spec) => ({ series, heat: matrix, map })[spec.kind](host, spec);
  return { draw, number };
})();
