"use strict";
// Python downsampled the data; this script neither drops nor smooths values. All texts of the data go into the page
// by textContent, and into figures by plain().
const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#999999"];
const DASHES = ["solid", "dash", "dot", "dashdot"];
const LEG_COLORS = ["#0072B2", "#009E73", "#E69F00", "#CC79A7", "#56B4E9", "#D55E00", "#8C6BB1", "#999999"];
const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d"] };
const COMPARED = [
  "metric", "baseline", "value", "difference", "low", "high", "pairs", "coverage", "p (Holm)", "verdict",
  "simultaneous low", "simultaneous high",
];
let chosen = data.runs[0];
let visible = new Set(data.runs.keys());
let sorted = { column: -1, down: false };

function narrow() {
  return window.innerWidth <= 700;
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// Plotly reads <a>, <b>, <br>, entities and $formulas$ in the texts of a figure.
function plain(text) {
  return String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("$", "&#36;");
}

function short(text) {
  const limit = narrow() ? 34 : 60;
  return text.length > limit ? text.slice(0, limit - 1) + "…" : text;
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
  const key = $("axis").value;
  return { key, label: { round: "round", time: "simulated time (s)", air: "time on air (s)" }[key] };
}

function edges(x, low, high, fill) {
  const edge = { mode: "lines", line: { width: 0 }, hoverinfo: "skip", showlegend: false, connectgaps: true };
  return [{ x, y: low, ...edge }, { x, y: high, ...edge, fill: "tonexty", fillcolor: fill }];
}

function series(run, key, name, shade) {
  const x = run[across().key], y = run.series[key];
  const traces = [{ x, y: y.mean, mode: "lines", name, line: { color: shade, width: 2 } }];
  return y.low.some((low, i) => low !== y.high[i]) ? [...edges(x, y.low, y.high, shade + "33"), ...traces] : traces;
}

function element(tag, text, kind) {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

function cards(pairs) {
  return pairs.map(([label, value]) => {
    const card = document.createElement("div");
    card.append(element("dt", label), element("dd", value));
    return card;
  });
}

function shownNumber(cell) {
  if (cell === null) return "–";
  if (typeof cell !== "number") return cell;
  if (cell !== 0 && Math.abs(cell) < 1e-4) return cell.toExponential(3).replace(/\.?0+e/, "e");
  return Math.abs(cell) >= 1000 ? Math.round(cell).toLocaleString("en") : String(Number(cell.toPrecision(4)));
}

// --- table of the runs

function order() {
  const places = data.table.rows.map((row, place) => place);
  const { column, down } = sorted;
  if (column < 0) return places;
  const compare = (one, two) => (typeof one === "number" && typeof two === "number" ? one - two : String(one).localeCompare(String(two), "en", { numeric: true }));
  return places.sort((one, two) => {
    const [a, b] = [data.table.rows[one][column], data.table.rows[two][column]];
    if (a === null || b === null) return (a === null) - (b === null);
    return down ? compare(b, a) : compare(a, b);
  });
}

function isText(column) {
  return data.table.rows.some((row) => typeof row[column] === "string");
}

function showTable() {
  const heads = data.table.columns.map(({ label, unit }, column) => {
    const head = element("th", "", isText(column) ? "text" : "");
    const button = element("button", unit ? `${label} (${unit})` : label);
    button.type = "button";
    button.addEventListener("click", () => {
      sorted = { column, down: sorted.column === column && !sorted.down };
      showTable();
      $("table").querySelectorAll("th button")[column].focus();
    });
    head.scope = "col";
    if (sorted.column === column) head.ariaSort = sorted.down ? "descending" : "ascending";
    head.append(button);
    return head;
  });
  const top = document.createElement("tr");
  top.append(...heads);
  $("table").tHead.replaceChildren(top);
  $("table").tBodies[0].replaceChildren(...order().filter((place) => visible.has(place)).map(tableRow));
  $("count").textContent = `${visible.size} of ${data.runs.length} runs`;
}

function tableRow(place) {
  const row = document.createElement("tr");
  row.ariaSelected = data.runs[place] === chosen ? "true" : "false";
  row.append(...data.table.rows[place].map((cell, column) => {
    const made = element("td", "", isText(column) ? "text" : "");
    made.title = cell === null ? "no such number" : String(cell);
    if (column > 0) {
      made.textContent = shownNumber(cell);
    } else {
      const button = element("button", shownNumber(cell));
      button.type = "button";
      button.ariaLabel = `show ${data.runs[place].name}`;
      made.append(button);
    }
    return made;
  }));
  row.addEventListener("click", () => {
    $("run").value = place;
    showRun();
  });
  return row;
}

// A number has to be one of the numbers in a run's name; another word may stand anywhere in it.
function matches(place, word) {
  const name = data.runs[place].name.toLowerCase();
  if (Number.isNaN(Number(word))) return name.includes(word);
  return name.split(/[\s,]+/).some((part) => part !== "" && Number(part) === Number(word));
}

function filterRuns() {
  const words = $("filter").value.toLowerCase().split(/[\s,=]+/).filter(Boolean);
  visible = new Set([...data.runs.keys()].filter((place) => words.every((word) => matches(place, word))));
  showTable();
  showGroups();
}

// --- groups

function groupLook(place) {
  return { color: COLORS[place % COLORS.length], dash: DASHES[Math.floor(place / COLORS.length) % DASHES.length] };
}

function isVisible(group) {
  return group.runs.some((run) => visible.has(run));
}

function groupTraces(quantity) {
  const axis = { round: "round", time: "simulated", air: "air" }[$("axis").value];
  return data.groups.groups.flatMap((group, place) => {
    const curve = group.curves[quantity] && group.curves[quantity][axis];
    if (!curve || !isVisible(group)) return [];
    const look = groupLook(place);
    const mode = curve.x.length <= 40 && quantity === "accuracy" ? "lines+markers" : "lines";
    const line = { x: curve.x, y: curve.center, mode, name: plain(short(group.name)), line: { width: 2, ...look }, connectgaps: true };
    const band = curve[$("band").value];
    return band ? [...edges(curve.x, band[0], band[1], look.color + "33"), line] : [line];
  });
}

function showGroup(plot, quantity, zero) {
  const traces = groupTraces(quantity);
  const plan = layout(across().label, data.groups.labels[quantity]);
  if (quantity === "test_loss" && data.runs.length === 1) {
    traces.push(trainingLoss());
    traces[0].name = "test loss";
    plan.showlegend = true;
    plan.yaxis.title.text = "loss (nat)";
  }
  Plotly.react(plot, traces, zero ? fromZero(plan) : plan, CONFIG);
}

function showLegend() {
  const entries = data.groups.groups.map((group, place) => {
    const entry = element("li", group.name + (group.runs.length > 1 ? ` (${group.runs.length} seeds${group.coverage ? `, coverage ${(100 * group.coverage).toFixed(1)} %` : ""})` : ""));
    const { color: shade, dash } = groupLook(place);
    entry.style.setProperty("--shade", shade);
    entry.dataset.dash = dash;
    entry.hidden = !isVisible(group);
    return entry;
  });
  $("legend").replaceChildren(...entries);
}

function trainingLoss() {
  return { x: chosen[across().key], y: chosen.series.loss.mean, mode: "lines", name: "training loss", line: { color: color("--soft"), width: 1 }, connectgaps: true };
}

function showGroups() {
  showLegend();
  const learned = data.groups.groups.some((group) => group.curves.accuracy);
  $("no-learning").hidden = learned;
  $("accuracy").hidden = $("loss").hidden = $("panel-loss").hidden = !learned;
  if (learned) {
    showGroup("accuracy", "accuracy", false);
    showGroup("loss", "test_loss", false);
    const known = data.groups.groups.some((group) => group.curves.panel_loss);
    $("panel-loss").hidden = !known;
    if (known) showGroup("panel-loss", "panel_loss", false);
  }
  if (data.runs.length < 2) return;
  showGroup("group-scheduled", "scheduled", true);
  showGroup("group-arrived", "arrived_share", true);
  showGroup("group-queue", "queue", true);
  showGroup("group-energy", "energy", true);
}

function showComparison() {
  const { keys, rows, notes } = data.comparison;
  $("comparing").hidden = !rows.length && !notes.length;
  $("comparison-notes").replaceChildren(...notes.map((line) => element("li", line)));
  if (!rows.length) return;
  const line = (cells, tag) => {
    const row = document.createElement("tr");
    row.append(...cells.map((cell, column) => element(tag, shownNumber(cell), column <= keys.length ? "text" : "")));
    return row;
  };
  $("comparison").replaceChildren(line([...keys, ...COMPARED], "th"), ...rows.map((row) => line(row, "td")));
}

// --- one run

function showSummary() {
  $("summary").replaceChildren(...cards(chosen.summary));
  $("warnings").replaceChildren(...chosen.warnings.map((line) => element("li", line)));
  $("scenario").textContent = chosen.scenario;
  const notes = chosen.thinned.length ? chosen.thinned : ["Every round, device and leg of this run is shown."];
  $("thinned").replaceChildren(...notes.map((line) => element("li", line)));
}

function showRadio() {
  const { label } = across();
  const accent = color("--accent");
  const { scheduled, arrived } = chosen.series;
  const traces = series(chosen, "scheduled", "scheduled", accent);
  const lost = arrived.mean.some((count, i) => count !== scheduled.mean[i]);
  if (lost) traces.push({ x: chosen[across().key], y: arrived.mean, mode: "lines", name: "arrived", line: { color: "#D55E00", width: 1.5 } });
  Plotly.react("scheduled", traces, fromZero(layout(label, "devices", { showlegend: lost })), CONFIG);
  Plotly.react("queue", series(chosen, "queue", "queue", accent), fromZero(layout(label, "virtual queue (s)")), CONFIG);
}

function showDevices() {
  const devices = chosen.map.devices;
  const bars = (key, unit) => [{
    type: "bar", x: devices.map((entry) => entry.device), y: devices.map((entry) => entry[key]),
    marker: { color: color("--accent") }, hovertemplate: `device %{x}: %{y} ${unit}<extra></extra>`,
  }];
  Plotly.react("share", bars("share", "%"), fromZero(layout("device", "rounds scheduled (%)")), CONFIG);
  Plotly.react("energy", bars("energy", "J"), fromZero(layout("device", "energy (J)")), CONFIG);
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
      color: devices.map((entry) => entry.share), colorscale: "Viridis", cmin: 0, cmax: Math.max(1, ...devices.map((entry) => entry.share)), size: 11,
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
      type: "bar", orientation: "h", name: plain(short(kind)), base: pick(shown.start), x: pick(shown.time), y: pick(shown.device),
      text: rows.map((i) => plain(`device ${shown.device[i]}, ${kind}: ${shown.bits[i].toLocaleString("en")} bit in ${shown.time[i]} s, ${shown.status[i]}`)),
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

function showRun() {
  chosen = data.runs[Number($("run").value)];
  $("slider").max = chosen.timeline.length - 1;
  $("slider").value = Math.max(0, chosen.timeline.findIndex((entry) => entry.device));
  showTable();
  showDetails();
}

function showDetails() {
  showSummary();
  showRadio();
  showDevices();
  showMap();
  showTimeline();
}

function show() {
  showGroups();
  showDetails();
}

function start() {
  const single = data.runs.length < 2;
  $("facts").replaceChildren(...cards(data.facts));
  $("made").textContent = data.made;
  $("table-note").textContent = data.table.note;
  $("runs").hidden = $("grouped").hidden = $("band-label").hidden = $("legend").hidden = single;
  $("run").append(...data.runs.map((run, place) => {
    const option = element("option", run.name);
    option.value = place;
    return option;
  }));
  if (data.clock === "air") $("axis").value = "air";
  $("run").addEventListener("change", showRun);
  $("axis").addEventListener("change", show);
  $("band").addEventListener("change", showGroups);
  $("filter").addEventListener("input", filterRuns);
  $("slider").addEventListener("input", showTimeline);
  $("theme").addEventListener("change", () => {
    document.documentElement.dataset.theme = $("theme").value;
    show();
  });
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", show);
  showComparison();
  showGroups();
  showRun();
  document.documentElement.dataset.ready = "true";
}

start();
