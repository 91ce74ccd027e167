"use strict";
// Python downsampled the data; this script neither drops nor smooths values.
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#999999"];
const LEG_COLORS = ["#0072B2", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#D55E00", "#8C6BB1", "#999999"];
const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] };
const SUMMARY_COLUMNS = ["policy", "metric", "baseline", "value", "difference", "low", "high", "pairs"];
let chosen = data.runs[0];

function narrow() {
  return window.innerWidth <= 700;
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function layout(x, y, more) {
  const axis = { gridcolor: color("--line"), zerolinecolor: color("--line"), automargin: true };
  return Object.assign({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { color: color("--text"), size: 13 },
    margin: { l: 55, r: 12, t: 12, b: 45 },
    xaxis: Object.assign({ title: { text: x } }, axis), yaxis: Object.assign({ title: { text: y } }, axis),
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 }, showlegend: false, hovermode: "closest",
  }, more);
}

function fromZero(plan) {
  plan.yaxis.rangemode = "tozero";
  return plan;
}

function across() {
  const time = $("axis").value === "time";
  return { key: time ? "time" : "round", label: time ? "simulated time (s)" : "round" };
}

function band(run, key, name) {
  const x = run[across().key], y = run.series[key];
  const fill = color("--accent") + "33";
  const edge = { mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false, connectgaps: true };
  const traces = [{ x, y: y.mean, mode: "lines", name, line: { color: color("--accent"), width: 2 } }];
  if (y.low.some((low, i) => low !== y.high[i])) {
    traces.unshift({ x, y: y.low, ...edge }, { x, y: y.high, ...edge, fill: "tonexty", fillcolor: fill });
  }
  return traces;
}

function element(tag, text) {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}

function showSummary() {
  $("summary").replaceChildren(...chosen.summary.map(([label, value]) => {
    const card = document.createElement("div");
    card.append(element("dt", label), element("dd", value));
    return card;
  }));
  $("warnings").replaceChildren(...chosen.warnings.map((line) => element("li", line)));
  $("scenario").textContent = chosen.scenario;
  const notes = chosen.thinned.length ? chosen.thinned : ["Every round, device and leg of this run is shown."];
  $("thinned").replaceChildren(...notes.map((line) => element("li", line)));
}

function lines(ofRun) {
  // Every run has the colour of its place; the chosen run comes last and is thick.
  const order = data.runs.filter((run) => run !== chosen).concat([chosen]);
  return order.flatMap((run) => {
    const place = data.runs.indexOf(run);
    const look = { color: COLORS[place % COLORS.length], width: run === chosen ? 3 : 1.3 };
    return ofRun(run).map((trace) => Object.assign({ name: run.name, line: look, connectgaps: true }, trace));
  });
}

function showLearning() {
  const { key, label } = across();
  const learned = data.runs.some((run) => run.evaluations.round.length);
  $("no-learning").hidden = learned;
  $("accuracy").hidden = $("loss").hidden = !learned;
  if (!learned) return;
  const several = data.runs.length > 1;
  const more = { showlegend: several && data.runs.length <= 8 };
  Plotly.react("accuracy", lines((run) => [{
    x: run.evaluations[key], y: run.evaluations.accuracy, mode: "lines+markers",
  }]), layout(label, "test accuracy (%)", more), CONFIG);
  Plotly.react("loss", lines((run) => {
    const traces = [{ x: run.evaluations[key], y: run.evaluations.loss, mode: "lines+markers", name: several ? run.name : "test loss" }];
    if (run === chosen) {
      traces.unshift({ x: run[key], y: run.series.loss.mean, mode: "lines", name: "training loss", line: { color: color("--soft"), width: 1 } });
    }
    return traces;
  }), layout(label, "loss (nat)", { showlegend: data.runs.length <= 8 && !(several && narrow()) }), CONFIG);
}

function showRadio() {
  const { label } = across();
  Plotly.react("scheduled", band(chosen, "scheduled", "devices"), fromZero(layout(label, "devices scheduled")), CONFIG);
  Plotly.react("queue", band(chosen, "queue", "queue"), fromZero(layout(label, "virtual queue (s)")), CONFIG);
}

function showMap() {
  const devices = chosen.map.devices;
  const tracks = devices.filter((entry) => entry.x.length > 1).map((entry) => ({
    x: entry.x, y: entry.y, mode: "lines", line: { color: color("--soft"), width: 1 }, opacity: 0.3, hoverinfo: "skip",
  }));
  const last = (values) => values[values.length - 1];
  const places = {
    x: devices.map((entry) => last(entry.x)), y: devices.map((entry) => last(entry.y)), mode: "markers",
    text: devices.map((entry) => `device ${entry.device}: ${entry.share.toFixed(1)} % of the rounds`),
    hovertemplate: "%{text}<br>(%{x}, %{y}) m<extra></extra>",
    marker: {
      color: devices.map((entry) => entry.share), colorscale: "Viridis", cmin: 0, size: 11,
      line: { color: color("--text"), width: 1 },
      colorbar: narrow()
        ? { title: { text: "rounds scheduled (%)", side: "top" }, orientation: "h", y: 1.0, yanchor: "bottom", thickness: 12, len: 1 }
        : { title: { text: "rounds<br>scheduled (%)" }, thickness: 12, len: 0.9 },
    },
  };
  const server = {
    x: [chosen.map.server[0]], y: [chosen.map.server[1]], mode: "markers+text", text: ["server"],
    textposition: "bottom center", hovertemplate: "server<extra></extra>",
    marker: { symbol: "triangle-up", size: 15, color: color("--text") },
  };
  const plan = layout("x (m)", "y (m)");
  if (narrow()) plan.margin.t = 70;
  plan.yaxis.scaleanchor = "x";
  Plotly.react("map", [...tracks, places, server], plan, CONFIG);
}

function showTimeline() {
  const shown = chosen.timeline[Number($("slider").value)];
  const count = shown.device ? new Set(shown.device).size : 0;
  $("which").textContent = `round ${shown.round}: ` + (count ? `${count} devices` : "no device scheduled");
  const kinds = shown.device ? [...new Set(shown.leg)] : [];
  const traces = kinds.map((kind) => {
    const rows = shown.leg.map((leg, i) => i).filter((i) => shown.leg[i] === kind);
    const pick = (values) => rows.map((i) => values[i]);
    return {
      type: "bar", orientation: "h", name: kind, base: pick(shown.start), x: pick(shown.time), y: pick(shown.device),
      text: rows.map((i) => `device ${shown.device[i]}, ${kind}: ${shown.bits[i].toLocaleString("en")} bit in ${shown.time[i]} s, ${shown.status[i]}`),
      hovertemplate: "%{text}<extra></extra>", textposition: "none",
      marker: {
        color: LEG_COLORS[chosen.legs.indexOf(kind) % LEG_COLORS.length],
        opacity: rows.map((i) => (shown.status[i] === "delivered" ? 1 : 0.4)),
        pattern: { shape: rows.map((i) => (shown.status[i] === "delivered" ? "" : "x")) },
      },
    };
  });
  const plan = layout("time since the round's start (s)", "device", { showlegend: kinds.length > 0, barmode: "overlay" });
  plan.xaxis.range = [0, shown.length];
  const devices = chosen.map.devices.map((entry) => entry.device).concat(shown.device || [0]);
  plan.yaxis.range = [Math.min(...devices) - 0.7, Math.max(...devices) + 0.7];
  Plotly.react("timeline", traces, plan, CONFIG);
}

function showComparison() {
  const { rows, note } = data.comparison;
  $("comparing").hidden = !rows.length && !note;
  $("comparison-note").textContent = note;
  if (!rows.length) return;
  const text = (cell) => (cell === null ? "–" : typeof cell === "number" ? String(Number(cell.toPrecision(4))) : cell);
  const line = (cells, tag) => {
    const row = document.createElement("tr");
    row.append(...cells.map((cell) => element(tag, text(cell))));
    return row;
  };
  $("comparison").replaceChildren(line(SUMMARY_COLUMNS, "th"), ...rows.map((row) => line(row, "td")));
}

function showRun() {
  chosen = data.runs[Number($("run").value)];
  $("slider").max = chosen.timeline.length - 1;
  $("slider").value = Math.max(0, chosen.timeline.findIndex((entry) => entry.device));
  show();
}

function show() {
  showSummary();
  showLearning();
  showRadio();
  showMap();
  showTimeline();
}

data.runs.forEach((run, place) => {
  const option = element("option", run.name);
  option.value = place;
  $("run").append(option);
});
$("run").addEventListener("change", showRun);
$("axis").addEventListener("change", show);
$("slider").addEventListener("input", showTimeline);
$("theme").addEventListener("change", () => {
  document.documentElement.dataset.theme = $("theme").value;
  show();
});
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
showComparison();
showRun();
document.documentElement.dataset.ready = "true";
