/* Draws the curves with dygraphs: zoom, one cursor for all of them, names at the ends of the lines, a table that reads the values out and
 * hides and shows variants. Whatever is a user's goes through textContent. */
(function () {
  "use strict";
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  const variants = data.variants;
  const visible = variants.map(() => true);
  const byRank = variants.map((_, i) => i).sort((a, b) => variants[a].rank - variants[b].rank);
  const LABEL_HEIGHT = 13, FEW_POINTS = 40;
  const charts = [];

  function make(parent, name, text) {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    parent.appendChild(made);
    return made;
  }

  const style = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const colorOf = (v) => style("--c" + v.color);
  const isScore = (chart) => /score/.test(chart.id);
  const isGap = (chart) => /gap/.test(chart.id);

  function format(chart, value) {
    if (value === null || value === undefined || !isFinite(value)) return "–";
    if (isScore(chart)) return value.toFixed(data.decimals) + (isGap(chart) ? "" : data.unit);
    const size = Math.abs(value);
    return size && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(4)));
  }

  function tick(chart, value) {
    const shown = Math.abs(value) >= 1e5 || (value && Math.abs(value) < 1e-4) ? value.toExponential(0) : String(Number(value.toPrecision(6)));
    return shown + (isScore(chart) && !isGap(chart) ? data.unit : "");
  }

  /* ---- One chart ---- */

  /* A row an epoch: [epoch, [low, mean, high], …], as dygraphs' custom bars have it. */
  function rowsOf(chart) {
    const rows = new Map();
    chart.lines.forEach((line, i) => line.x.forEach((x, k) => {
      if (!rows.has(x)) rows.set(x, [x].concat(variants.map(() => [null, null, null])));
      if (line.y[k] === null) return;
      const value = (band) => band && band[k] !== null ? band[k] : line.y[k];
      rows.get(x)[i + 1] = [value(line.low), line.y[k], value(line.high)];
    }));
    return Array.from(rows.values()).sort((a, b) => a[0] - b[0]);
  }

  function epochTicks(min, max, pixels) {
    const most = Math.max(2, pixels / 45), steps = [1, 2, 5];
    let step = 1, k = 0;
    while ((max - min) / step > most) step = steps[++k % 3] * Math.pow(10, Math.floor(k / 3));
    const ticks = [];
    for (let v = Math.ceil(min / step) * step; v <= max; v += step) ticks.push({v: v, label: String(v)});
    if (step > 1 && ticks.length && ticks[0].v === 0) ticks[0] = {v: 1, label: "1"};
    else if (step > 1 && min <= 1 && ticks[0].v > 1 + step / 2) ticks.unshift({v: 1, label: "1"});
    return ticks;
  }

  function widestName(context) {
    context.font = "11px " + getComputedStyle(document.body).fontFamily;
    return variants.reduce((most, v) => Math.max(most, context.measureText(v.name).width), 0);
  }

  /* Names beside the last point that is seen, moved apart; where there is no room for all of them, the best ones'. */
  function nameEnds(chart) {
    const g = chart.graph, area = g.getArea(), [from, to] = g.xAxisRange(), [low, high] = g.yAxisRange();
    const ends = [];
    chart.ends.textContent = "";
    byRank.forEach((i) => {
      if (!visible[i]) return;
      for (let row = chart.rows.length - 1; row >= 0; row--) {
        const x = chart.rows[row][0], y = chart.rows[row][i + 1][1];
        if (x < from || x > to || y === null) continue;
        if (y >= low && y <= high) ends.push({i: i, at: g.toDomYCoord(y), x: g.toDomXCoord(x)});
        return;
      }
    });
    const kept = ends.slice(0, Math.floor(area.h / LABEL_HEIGHT)).sort((a, b) => a.at - b.at);
    kept.forEach((end, k) => { end.y = k ? Math.max(end.at, kept[k - 1].y + LABEL_HEIGHT) : Math.max(end.at, area.y + 4); });
    let floor = area.y + area.h - 2;
    kept.slice().reverse().forEach((end) => { end.y = Math.min(end.y, floor); floor = end.y - LABEL_HEIGHT; });
    kept.forEach((end) => {
      const label = make(chart.ends, "span", variants[end.i].name);
      label.title = variants[end.i].name;
      label.style.color = "var(--c" + variants[end.i].color + ")";
      label.style.left = area.x + area.w + 7 + "px";
      label.style.top = end.y - LABEL_HEIGHT / 2 + "px";
      label.style.maxWidth = chart.gap - 9 + "px";
    });
  }

  const others = (chart, act) => charts.forEach((one) => { if (one !== chart) act(one); });

  /* Zooming into some epochs of one chart does so in all. */
  let following = false, seen = "null";
  function followZoom(chart) {
    const zoomed = chart.graph.isZoomed("x") ? chart.graph.xAxisRange() : null;
    if (following || JSON.stringify(zoomed) === seen) return;
    following = true;
    seen = JSON.stringify(zoomed);
    others(chart, (one) => one.graph.updateOptions({dateWindow: zoomed}));
    following = false;
  }

  function seriesOptions() {
    const options = {};
    variants.forEach((v, i) => { options[i] = {strokePattern: v.dash || null}; });
    return options;
  }

  const colors = () => ({
    colors: variants.map(colorOf), gridLineColor: style("--rule"), axisLineColor: style("--soft"),
    highlightSeriesBackgroundColor: style("--paper"),
  });

  /* What the y axis shows where nobody zooms: the range that leaves lines far below the others out, or all. */
  const usualRange = (chart) => chart.range && !chart.whole ? chart.range : null;

  function makeGraph(chart) {
    const width = chart.plot.clientWidth;
    chart.gap = Math.min(widestName(document.createElement("canvas").getContext("2d")) + 14, Math.max(70, width * 0.28));
    chart.graph = new Dygraph(chart.plot, chart.rows, Object.assign(colors(), {
      labels: ["epoch"].concat(variants.map((_, i) => String(i))),
      customBars: true, legend: "never", fillAlpha: 0.16, strokeWidth: 1.7, rightGap: chart.gap, xRangePad: 8, yRangePad: 8,
      drawPoints: chart.rows.length < FEW_POINTS && variants.length <= 12, pointSize: 2, highlightCircleSize: 3,
      highlightSeriesOpts: {strokeWidth: 2.6}, highlightSeriesBackgroundAlpha: 1, drawGapEdgePoints: true,
      series: seriesOptions(), visibility: visible.slice(), valueRange: usualRange(chart), logscale: chart.log,
      axes: {
        x: {drawGrid: false, ticker: epochTicks, axisLabelWidth: 40},
        y: {axisLabelWidth: 52, pixelsPerLabel: 34, axisLabelFormatter: (value) => tick(chart, value)},
      },
      highlightCallback: (event, x, points, row, name) => {
        readOut(x);
        others(chart, (one) => one.graph.setSelection(row, name));
      },
      unhighlightCallback: () => {
        readOut(null);
        others(chart, (one) => one.graph.clearSelection());
      },
      drawCallback: () => {
        if (!chart.ends) return; /* not before all of it is there */
        nameEnds(chart);
        followZoom(chart);
      },
    }));
    chart.ends = make(chart.plot, "div"); /* on top; dygraphs empties its place first */
    chart.ends.className = "ends";
    nameEnds(chart);
  }

  /* A box to tick beside the title. */
  function addChoice(chart, heading, words, checked, change) {
    const label = make(heading, "label"), box = make(label, "input");
    box.type = "checkbox";
    box.checked = checked;
    label.appendChild(document.createTextNode(words));
    box.addEventListener("change", () => change(box.checked));
  }

  function addChart(chart, place) {
    const heading = make(place, "h3", chart.title);
    chart.rows = rowsOf(chart);
    const positive = chart.lines.every((line) => line.y.every((y) => y === null || y > 0));
    if (!isScore(chart) && !isGap(chart) && positive)
      addChoice(chart, heading, "logarithmic", chart.log, (on) => chart.graph.updateOptions({logscale: on}));
    if (chart.range) {
      addChoice(chart, heading, "whole range", false, (on) => {
        chart.whole = on;
        chart.graph.updateOptions({valueRange: usualRange(chart)});
      });
      make(place, "p", chart.note).className = "note";
    }
    chart.plot = make(place, "div");
    chart.plot.className = "plot";
    if (!chart.rows.length) {
      chart.plot.textContent = "no epochs yet";
      return;
    }
    makeGraph(chart);
    charts.push(chart);
  }

  /* ---- The legend, which reads out the values at the cursor ---- */

  const legend = document.querySelector(".legend");
  let legendHead = null;
  const legendRows = [];

  function swatch(v) {
    const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg"), path = document.createElementNS(ns, "path");
    svg.setAttribute("class", "swatch");
    svg.setAttribute("width", 22);
    svg.setAttribute("height", 8);
    svg.setAttribute("aria-hidden", "true");
    path.setAttribute("class", "c" + v.color);
    path.setAttribute("d", "M0 4H22");
    if (v.dash) path.setAttribute("stroke-dasharray", v.dash.join(" "));
    svg.appendChild(path);
    return svg;
  }

  function readOut(epoch) {
    legendHead.textContent = epoch === null ? "at the last epoch" : "at epoch " + epoch;
    legendRows.forEach((row) => row.cells.forEach((cell, k) => {
      const line = charts[k].lines[row.variant];
      const at = epoch === null ? line.x.length - 1 : line.x.indexOf(epoch);
      const text = format(charts[k], at < 0 ? null : line.y[at]);
      if (cell.textContent !== text) cell.textContent = text;
    }));
  }

  function show(changes) {
    changes.forEach(([i, on]) => { visible[i] = on; });
    legendRows.forEach((row) => {
      row.line.className = visible[row.variant] ? "" : "off";
      row.button.setAttribute("aria-pressed", String(visible[row.variant]));
    });
    charts.forEach((chart) => chart.graph.updateOptions({visibility: visible.slice()}));
  }

  function addLegend() {
    const table = make(legend, "table"), head = make(make(table, "thead"), "tr"), body = make(table, "tbody");
    legendHead = make(head, "th");
    charts.forEach((chart) => { make(head, "th", chart.title).className = "number"; });
    byRank.forEach((i) => {
      const line = make(body, "tr"), cell = make(line, "td"), button = make(cell, "button");
      button.type = "button";
      button.appendChild(swatch(variants[i]));
      button.appendChild(document.createTextNode(variants[i].name));
      button.addEventListener("click", (event) => {
        if (event.altKey) show(variants.map((_, k) => [k, k === i]));
        else show([[i, !visible[i]]]);
      });
      const cells = charts.map(() => make(line, "td"));
      cells.forEach((one) => { one.className = "number"; });
      legendRows.push({variant: i, line: line, button: button, cells: cells});
    });
    show([]);
    readOut(null);
  }

  function resetZoom() {
    charts.forEach((chart) => chart.graph.updateOptions({dateWindow: null, valueRange: usualRange(chart)}));
  }

  function addTools() {
    const tools = document.querySelector(".tools");
    const add = (words, act) => {
      const button = make(tools, "button", words);
      button.type = "button";
      button.addEventListener("click", act);
    };
    add("reset zoom", resetZoom);
    add("show all", () => show(variants.map((_, i) => [i, true])));
    add("hide all", () => show(variants.map((_, i) => [i, false])));
    make(tools, "span", "Drag across a chart to zoom, double-click to go back; click a name below to hide it, with Alt to see it alone.");
  }

  /* ---- All of it ---- */

  const begin = performance.now();
  document.querySelectorAll(".live").forEach((one) => { one.hidden = false; });
  document.querySelectorAll("[data-chart]").forEach((place) => {
    addChart(data.charts.find((chart) => chart.id === place.dataset.chart), place);
  });
  addLegend();
  addTools();
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    charts.forEach((chart) => chart.graph.updateOptions(colors()));
  });
  root.classList.add("scripted");
  root.dataset.drawn = Math.round(performance.now() - begin);
})();
