// Draws the figures of the report, follows the colour scheme, and fills and sorts the table of all trials.
"use strict";

// The dark counterpart of each light colour, and what Plotly draws: one entry per panel.
const DARK = JSON.parse(document.getElementById("dark-colors").textContent);
const plots = JSON.parse(document.getElementById("plots").textContent);
const night = matchMedia("(prefers-color-scheme: dark)"),
  paper = document.documentElement.classList;

// The colour for the current scheme; paper always gets the light one.
function tint(v) {
  if (typeof v !== "string" || !night.matches || paper.contains("paper")) return v;
  const dark = DARK[v.slice(0, 7)];
  return dark ? dark + v.slice(7) : v;
}

// A trace with all its colours tinted.
function tinted(t) {
  const u = { ...t };
  if (t.fillcolor) u.fillcolor = tint(t.fillcolor);
  if (t.line) u.line = { ...t.line, color: tint(t.line.color) };
  if (t.marker) {
    u.marker = { ...t.marker, color: tint(t.marker.color) };
    if (t.marker.line) u.marker.line = { ...t.marker.line, color: tint(t.marker.line.color) };
  }
  return u;
}

// A trace on a map, whose filled circles get a white edge so that they stand out from the cells.
function edged(t) {
  return t.marker && t.marker.symbol === "circle" && t.marker.size > 4
    ? { ...t, marker: { ...t.marker, line: { color: "#fff", width: 1 } } }
    : t;
}

// Draws one panel; returns Plotly's promise.
function drawn(p) {
  const style = getComputedStyle(document.body),
    root = getComputedStyle(document.documentElement);
  const line = root.getPropertyValue("--line"),
    axis = { gridcolor: line, zerolinecolor: line, linecolor: line, tickfont: { size: 11 } };
  const layout = {
    ...p.layout,
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: style.fontFamily, size: 12, color: root.getPropertyValue("--text") },
    xaxis: { ...axis, ...p.layout.xaxis },
    yaxis: { ...axis, ...p.layout.yaxis },
    margin: { l: 46, r: 10, t: 8, b: 40 },
    showlegend: false,
    hovermode: "closest",
    hoverlabel: { align: "left", font: { size: 12 } },
  };
  if (layout.shapes)
    layout.shapes = layout.shapes.map((s) => ({ ...s, line: { ...s.line, color: tint(s.line.color) } }));
  const data = p.data.some((t) => t.type === "heatmap") ? p.data.map(edged) : p.data.map(tinted);
  // Plotly.react would keep the screen's width when the figure goes to paper.
  return Plotly.newPlot(p.id, data, layout, { responsive: true, displaylogo: false, displayModeBar: false });
}

// Panels near the viewport are drawn first, the rest while the browser is idle. The root element's
// data-open-ms and data-drawn-ms say when the first part and all of them were done.
const mark = document.documentElement.dataset,
  waiting = new Set(plots);
const idle = window.requestIdleCallback ?? ((f) => setTimeout(f, 20));

// Whether a panel is on the screen or close to it.
function near(p) {
  const box = document.getElementById(p.id).getBoundingClientRect();
  return box.top < 1.5 * innerHeight && box.bottom > -0.5 * innerHeight;
}

// Draws those of the panels that have not been drawn yet.
async function draw(some) {
  for (const p of some) if (waiting.delete(p)) await drawn(p);
  if (!waiting.size) mark.drawnMs ??= performance.now().toFixed(0);
}

// Draws what is left, one panel each time the browser is idle.
function rest() {
  idle(() =>
    draw([...waiting].slice(0, 1)).then(() => {
      if (waiting.size) rest();
    }),
  );
}

// Draws what has come near.
function approach() {
  draw([...waiting].filter(near));
}

draw(plots.filter(near)).then(() => {
  mark.openMs = performance.now().toFixed(0);
  rest();
});
addEventListener("scroll", approach, { passive: true });
addEventListener("resize", approach);
night.addEventListener("change", () => plots.filter((p) => !waiting.has(p)).forEach(drawn));

// The table of all trials gets its rows in steps, as the reader scrolls.
const body = document.querySelector("#trials tbody"),
  box = body.closest(".scroll"),
  STEP = 200;
const rows = [...document.getElementById("rows").content.querySelectorAll("tr")];
let shown = 0;

// Appends rows until so many are in the table.
function more(most) {
  body.append(...rows.slice(shown, most));
  shown = Math.min(rows.length, most);
}
more(STEP);
box.addEventListener("scroll", () => {
  if (box.scrollTop + box.clientHeight > box.scrollHeight - 400) more(shown + STEP);
});

// Paper gets every row and every figure, in light colours.
addEventListener("beforeprint", () => {
  more(rows.length);
  paper.add("paper");
  waiting.clear();
  plots.forEach(drawn);
});
addEventListener("afterprint", () => {
  paper.remove("paper");
  plots.forEach(drawn);
});

// A click on a heading sorts by that column, a second click the other way round. Empty cells come last.
document.querySelectorAll("#trials th button").forEach((button, k) => {
  let up = false;
  button.onclick = () => {
    up = !up;
    const value = (r) => r.cells[k].textContent;
    rows.sort((a, b) => {
      const x = value(a),
        y = value(b);
      if (x === "" || y === "") return (x === "") - (y === "");
      const n = x - y;
      return (up ? 1 : -1) * (isNaN(n) ? x.localeCompare(y) : n);
    });
    document.querySelectorAll("#trials th").forEach((th) => th.removeAttribute("aria-sort"));
    button.parentElement.setAttribute("aria-sort", up ? "ascending" : "descending");
    body.replaceChildren();
    shown = 0;
    more(STEP);
    box.scrollTop = 0;
  };
});
