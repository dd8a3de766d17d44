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

  const show = (host, chosen) => {
    const plot = host.querySelector(".plot");
    plot.setAttribute("aria-label", chosen.alt);
    host.querySelector(".alt").textContent = chosen.alt;
    drawn.set(plot, chosen);
    Draw.draw(plot, chosen);
  };
  const redraw = () => { for (const [plot, chosen] of drawn) Draw.draw(plot, chosen); };

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
      cues();
    });
  }

  for (const host of document.querySelectorAll("figure[data-slot]")) {
    const variants = figures[host.dataset.slot];
    const select = host.querySelector("select");
    if (select) select.addEventListener("change", () => show(host, variants[select.selectedIndex]));
    show(host, variants[0]);
  }

  /* ---- forecasts of some sensors against what was measured ---- */
  const traceHost = document.getElementById("trace");
  const steps = (lead) => (lead === 1 ? "1 step" : `${lead} steps`);
  const part = (name) => document.getElementById("trace-" + name);

  /* The time of each reading, or its step; of position -1, that of the reading before the first. */
  const clock = (period) => {
    if (period.start === null) return (i) => period.first_step + i;
    const begin = Date.parse(period.start + "Z"), { seconds, step_seconds: by } = period;
    return (i) => begin + 1000 * (seconds ? seconds[i + 1] : by * i);
  };
  const line = (name, x, y, role, more = {}) => ({ kind: "line", name, x, y, role, dash: false, ...more });

  const traceChart = (period, sensor, leadAt, origin) => {
    const at = clock(period), x = sensor.truth.map((_, i) => at(i)), lead = period.leads[leadAt];
    const now = sensor.forecast[origin];
    const path = now.map((_, i) => x[origin + period.leads[i] - 1]);
    const ahead = sensor.forecast.map((row) => row[leadAt]);
    const marks = [];
    if (sensor.low && sensor.high) {
      marks.push({ kind: "band", name: "interval", role: "a", x: path,
        low: sensor.low[origin], high: sensor.high[origin] });
    }
    marks.push(line("measured", x, sensor.truth, "ink"));
    if (sensor.week.some((value) => value !== null)) {
      marks.push(line("a week before", x, sensor.week, "muted", { dash: true }));
    }
    marks.push(line(`forecast ${steps(lead)} ahead`, x.slice(lead - 1, lead - 1 + ahead.length), ahead, "model"));
    const known = at(origin - 1);  // when the last reading of its window was
    const made = period.start === null ? `step ${known}`
      : new Date(known).toISOString().slice(0, 16).replace("T", " ");
    marks.push(line(`forecast made at ${made}`, path, now, "a", { weight: "thick" }));
    return {
      key: "trace", kind: "series", marks, axis: period.start === null ? "number" : "time",
      x_label: "step", y_label: stored.unit || "reading", from_zero: true, stacked: false, top: null,
    };
  };

  const error = (sensor, leadAt, lead) => {
    let total = 0, count = 0;
    sensor.forecast.forEach((row, origin) => {
      const truth = sensor.truth[origin + lead - 1];
      const counts = truth !== null && truth !== undefined && truth !== stored.null_value;
      if (counts && row[leadAt] !== null) {
        total += Math.abs(row[leadAt] - truth); count += 1;
      }
    });
    return count ? (total / count).toPrecision(4) : "unknown";
  };

  const traces = () => {
    const period = stored.periods[part("period").selectedIndex];
    const sensors = [...period.worst, ...period.best];
    if (!sensors.length) {
      show(traceHost, { key: "trace", kind: "series", marks: [], axis: "number", x_label: "", y_label: "",
        from_zero: true, alt: "No sensor was measured." });
      return;
    }
    const sensor = sensors[part("sensor").selectedIndex];
    const leadAt = part("lead").selectedIndex, lead = period.leads[leadAt];
    const origin = Math.min(Number(part("origin").value), sensor.forecast.length - 1);
    const chart = traceChart(period, sensor, leadAt, origin);
    chart.alt = `Sensor ${sensor.node_id} over the last ${sensor.truth.length} steps of the test ` +
      `part of period ${period.name}. Mean absolute error ${steps(lead)} ahead on these days: ` +
      `${`${error(sensor, leadAt, lead)} ${stored.unit}`.trim()}.`;
    show(traceHost, chart);
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
    traces();
  };

  if (traceHost) {
    fill(part("period"), stored.periods.map((period) => period.name), 0);
    part("period").addEventListener("change", choosePeriod);
    for (const name of ["sensor", "lead"]) part(name).addEventListener("change", traces);
    part("origin").addEventListener("input", traces);
    choosePeriod();
  }

  /* ---- tables that are wider or longer than their place say so ---- */
  const cues = () => {
    for (const box of document.querySelectorAll(".scroll")) {
      box.parentElement.classList.toggle("more-right", box.scrollWidth - box.clientWidth - box.scrollLeft > 4);
      box.parentElement.classList.toggle("more-below", box.scrollHeight - box.clientHeight - box.scrollTop > 4);
    }
  };
  for (const box of document.querySelectorAll(".scroll")) box.addEventListener("scroll", cues);
  for (const fold of document.querySelectorAll("details")) fold.addEventListener("toggle", cues);
  cues();

  let width = root.clientWidth;
  window.addEventListener("resize", () => {
    if (root.clientWidth !== width) { width = root.clientWidth; redraw(); }
    cues();
  });
  window.addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll("details.print")) fold.open = true;
  });
  root.dataset.fits = String(root.scrollWidth <= root.clientWidth);
  root.dataset.drawn = String(drawn.size);
})();
