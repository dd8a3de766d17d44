"use strict";
(() => {
  const root = document.documentElement;
  const read = (id) => {
    const node = document.getElementById(id);
    return node ? JSON.parse(node.textContent) : null;
  };
  const figures = read("data-figures") || {};
  const stored = read("data-traces");
  const drawn = new Map();
  const options = { responsive: true, displaylogo: false, displayModeBar: false };

  const themed = (value, style) => {
    if (typeof value === "string" && /^@[a-z]+[0-9]?$/.test(value)) {
      return style.getPropertyValue("--" + value.slice(1)).trim() || "#888";
    }
    if (Array.isArray(value)) {
      const plain = typeof value.at(-1) !== "object" && typeof value.at(-1) !== "string";
      return plain ? value : value.map((item) => themed(item, style));
    }
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, themed(v, style)]));
    }
    return value;
  };

  const fitted = (layout, plot) => {
    if (plot.clientWidth >= 420) return layout;
    const small = structuredClone(layout);
    small.font.size = 11;
    small.margin.l = Math.min(small.margin.l, 48);
    return small;
  };

  const draw = (plot, figure) => {
    drawn.set(plot, figure);
    const style = getComputedStyle(root);
    const layout = fitted(figure.layout, plot);
    return Plotly.react(plot, themed(figure.data, style), themed(layout, style), options);
  };
  const redraw = () => [...drawn].map(([plot, figure]) => draw(plot, figure));

  const show = (host, chosen) => {
    const plot = host.querySelector(".plot");
    plot.setAttribute("aria-label", chosen.alt);
    host.querySelector(".alt").textContent = chosen.alt;
    return draw(plot, chosen);
  };

  const step = (select, by) => {
    const count = select.options.length;
    select.selectedIndex = (select.selectedIndex + by + count) % count;
    select.dispatchEvent(new Event("change"));
  };

  for (const button of document.querySelectorAll("button[data-step]")) {
    const select = document.getElementById(button.dataset.select);
    button.addEventListener("click", () => step(select, Number(button.dataset.step)));
  }

  const metrics = document.getElementById("metric");
  if (metrics) {
    metrics.addEventListener("change", () => {
      for (const part of document.querySelectorAll(".metrics")) {
        part.hidden = part.dataset.metric !== metrics.value;
      }
    });
  }

  const slots = [...document.querySelectorAll("figure[data-slot]")].map((host) => {
    const variants = figures[host.dataset.slot];
    const select = host.querySelector("select");
    if (select) select.addEventListener("change", () => show(host, variants[select.selectedIndex]));
    return () => show(host, variants[0]);
  });

  const traceHost = document.getElementById("trace");
  const steps = (lead) => (lead === 1 ? "1 step" : `${lead} steps`);
  const part = (name) => document.getElementById("trace-" + name);

  const times = (period, count) => {
    if (period.start === null) return Array.from({ length: count }, (_, i) => period.first_step + i);
    const begin = Date.parse(period.start + "Z");
    return Array.from({ length: count }, (_, i) =>
      new Date(begin + 1000 * period.step_seconds * i).toISOString().slice(0, 19));
  };

  const line = (name, x, y, color, change) => ({
    type: "scatter", mode: "lines", name, x, y, line: { color, width: 1.8, ...change },
  });

  const bare = () => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: "@ink", size: 13 }, margin: { l: 64, r: 16, t: 12, b: 52 },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" }, hovermode: "x unified",
    hoverlabel: { bgcolor: "@card", bordercolor: "@line", font: { color: "@ink" } },
  });

  const traceFigure = (period, sensor, leadAt, origin) => {
    const x = times(period, sensor.truth.length);
    const lead = period.leads[leadAt];
    const ahead = sensor.forecast.map((row) => row[leadAt]);
    const now = sensor.forecast[origin];
    const path = now.map((_, i) => x[origin + period.leads[i] - 1]);
    const data = [
      line("measured", x, sensor.truth, "@ink", { width: 2.2 }),
      line("a week before", x, sensor.week, "@muted", { dash: "dot", width: 1.4 }),
      line(`forecast ${steps(lead)} ahead`, x.slice(lead - 1, lead - 1 + ahead.length), ahead, "@model"),
      { ...line(`forecast made at ${String(x[origin]).replace("T", " ").slice(0, 16)}`, path, now,
        "@a", { width: 3 }), mode: "lines+markers", marker: { size: 6 } },
    ];
    const axis = { gridcolor: "@line", linecolor: "@line", zerolinecolor: "@line", automargin: true };
    const layout = {
      ...bare(),
      xaxis: { ...axis, title: { text: period.start === null ? "step of the period" : "" } },
      yaxis: { ...axis, rangemode: "tozero", title: { text: stored.unit || "reading" } },
      showlegend: true,
    };
    return { data, layout };
  };

  const spread = (sensor, leadAt, lead) => {
    let total = 0, count = 0;
    sensor.forecast.forEach((row, origin) => {
      const truth = sensor.truth[origin + lead - 1];
      if (truth !== null && truth !== undefined && row[leadAt] !== null) {
        total += Math.abs(row[leadAt] - truth); count += 1;
      }
    });
    return count ? (total / count).toPrecision(4) : "unknown";
  };

  const traces = () => {
    const period = stored.periods[part("period").selectedIndex];
    const sensors = [...period.worst, ...period.best];
    if (!sensors.length) {
      return show(traceHost, { data: [], layout: bare(), alt: "No sensor was measured." });
    }
    const sensor = sensors[part("sensor").selectedIndex];
    const leadAt = part("lead").selectedIndex, lead = period.leads[leadAt];
    const origin = Math.min(Number(part("origin").value), sensor.forecast.length - 1);
    const figure = traceFigure(period, sensor, leadAt, origin);
    figure.alt = `Sensor ${sensor.node_id} over the last ${sensor.truth.length} steps of the test ` +
      `part of period ${period.name}. Mean absolute error ${steps(lead)} ahead on these days: ` +
      `${`${spread(sensor, leadAt, lead)} ${stored.unit}`.trim()}.`;
    return show(traceHost, figure);
  };

  const fill = (select, texts, at) => {
    select.replaceChildren(...texts.map((text) => new Option(text)));
    select.selectedIndex = Math.max(0, Math.min(at, texts.length - 1));
  };

  const choosePeriod = () => {
    const period = stored.periods[part("period").selectedIndex];
    const named = (rank) => (sensor, i) => `${rank} ${i + 1}: ${sensor.node_id}`;
    fill(part("sensor"), [...period.worst.map(named("worst")), ...period.best.map(named("best"))], 0);
    fill(part("lead"), period.leads.map((lead) => `${steps(lead)} ahead`), 0);
    const origins = period.worst.length ? period.worst[0].forecast.length : 1;
    part("origin").max = origins - 1;
    part("origin").value = Math.floor(origins / 2);
    return traces();
  };

  const prepareTraces = () => {
    if (!traceHost) return null;
    fill(part("period"), stored.periods.map((period) => period.name), 0);
    part("period").addEventListener("change", choosePeriod);
    for (const name of ["sensor", "lead"]) part(name).addEventListener("change", traces);
    part("origin").addEventListener("input", traces);
    return choosePeriod();
  };

  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  window.addEventListener("beforeprint", () => {
    root.classList.add("printing");
    for (const fold of document.querySelectorAll("details")) fold.open = true;
    redraw();
  });
  window.addEventListener("afterprint", () => { root.classList.remove("printing"); redraw(); });

  const waiting = [...slots.map((start) => start()), prepareTraces()];
  Promise.all(waiting).then(() => { root.dataset.drawn = String(drawn.size); });
})();
