"use strict";
(async () => {
  const about = JSON.parse(document.getElementById("about").textContent);
  const root = document.documentElement;
  const $ = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();

  // The columns: base64, deflate, byte planes, differences; see packed.py.
  async function unpack(text) {
    const { columns, bytes } = JSON.parse(text);
    const packed = Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
    const raw = new Uint8Array(await new Response(stream).arrayBuffer());
    const found = {}, whole = {};
    let at = 0;
    for (const [name, count, step, near] of columns) {
      const values = new Float64Array(count), numbers = new Int32Array(count);
      let sum = 0;
      for (let i = 0; i < count; i++) {
        sum = (sum + (raw[at + i] | (raw[at + count + i] << 8) | (raw[at + 2 * count + i] << 16) | (raw[at + 3 * count + i] << 24))) | 0;
        numbers[i] = near ? sum + whole[near][i] : sum;
        // A step of 0.01 is divided by 100: 0.1 times a number shows digits that are not there.
        values[i] = numbers[i] === -2147483648 ? NaN : step < 1 ? numbers[i] / Math.round(1 / step) : numbers[i] * step;
      }
      whole[name] = numbers;
      at += 4 * count;
      found[name] = values;
    }
    return found;
  }
  const data = await unpack($("data").textContent);

  // Theme: as the system has it, until the button says otherwise.
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let theme = dark.matches ? "dark" : "light";
  const themed = () => { root.dataset.theme = theme; $("theme").textContent = theme === "dark" ? "Light" : "Dark"; };
  themed();

  // Numbers and times as texts.
  const two = (n) => String(n).padStart(2, "0");
  const MONTH = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  function moment(seconds, full = true) {
    if (!Number.isFinite(seconds)) return "";
    const d = new Date(seconds * 1000);
    const day = `${d.getUTCFullYear()}-${two(d.getUTCMonth() + 1)}-${two(d.getUTCDate())}`;
    const clock = seconds % 86400 === 0 ? "" : ` ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
    return full ? day + clock : day;
  }
  function short(v) {
    if (v == null || !Number.isFinite(v)) return "";
    const size = Math.abs(v);
    for (const [scale, unit] of [[1e12, "T"], [1e9, "B"], [1e6, "M"], [1e3, "k"]])
      if (size >= scale) return Number((v / scale).toPrecision(4)) + unit;
    return String(Number(v.toPrecision(4)));
  }
  const exact = (v) => (v == null || !Number.isFinite(v) ? "" : v.toLocaleString("en", { maximumFractionDigits: Math.abs(v) < 10 ? 4 : 2 }));
  const percent = (v) => (v == null || !Number.isFinite(v) ? "" : (100 * v).toFixed(Math.abs(v) < 0.1 ? 2 : 1) + "%");

  // Points of the curves: from every bar, or stretches of them, to ever coarser stretches.
  const width = about.width, count = about.bars;
  const folded = { first: (v) => (a, b) => v[a], low: (v) => (a, b) => { let m = NaN; for (let i = a; i < b; i++) if (v[i] < m || m !== m) m = v[i]; return m; },
    high: (v) => (a, b) => { let m = NaN; for (let i = a; i < b; i++) if (v[i] > m || m !== m) m = v[i]; return m; } };
  // uPlot knows gaps as null; a NaN at the beginning leaves an axis without a range, and nothing is drawn.
  const gaps = (values) => (values.some((v) => v !== v) ? Array.from(values, (v) => (v !== v ? null : v)) : values);
  const held = Object.keys(data).map((name) => (/^held_(.*?)(_low)?$/.exec(name) || [])[1]).filter((name) => name && !name.endsWith("_high"));
  const curves = ["price", "equity", "benchmark", "drawdown", ...new Set(held.map((name) => "held_" + name))].filter((name) => data[name] || data[name + "_low"]);
  const levels = [{ width, time: data.time, n: Math.ceil(count / width), of: {} }];
  for (const name of curves) levels[0].of[name] = width === 1 ? { low: data[name], high: data[name] } : { low: data[name + "_low"], high: data[name + "_high"] };
  while (levels[levels.length - 1].n > 600) {
    const fine = levels[levels.length - 1], n = Math.ceil(fine.n / 4);
    const fold = (values, kind) => { const f = folded[kind](values), out = new Float64Array(n); for (let i = 0; i < n; i++) out[i] = f(4 * i, Math.min(4 * i + 4, fine.n)); return out; };
    const coarse = { width: fine.width * 4, time: fine.time && fold(fine.time, "first"), n, of: {} };
    for (const name of curves) coarse.of[name] = { low: fold(fine.of[name].low, "low"), high: fold(fine.of[name].high, "high") };
    levels.push(coarse);
  }
  function secondsAt(bar) {
    if (!about.clock) return NaN;
    const at = Math.min(Math.max(bar, 0), count - 1) / width, left = Math.floor(at), times = levels[0].time;
    const right = Math.min(left + 1, times.length - 1);
    return times[left] + (times[right] - times[left]) * (at - left);
  }
  const label = (bar) => (about.clock ? moment(Math.round(secondsAt(bar))) : "bar " + Math.round(bar).toLocaleString("en"));

  // Ticks where the calendar turns; bars are spaced evenly, so nights and weekends leave no gap.
  const STEPS = [60, 300, 900, 1800, 3600, 14400, 86400, 7 * 86400];
  function calendarTicks(a, b, most) {
    const from = secondsAt(a), to = secondsAt(b), span = to - from, ticks = [];
    const step = STEPS.find((s) => span / s <= most);
    const barOf = (s) => { let low = 0, high = levels[0].time.length - 1; while (low < high) { const middle = (low + high) >> 1; if (levels[0].time[middle] < s) low = middle + 1; else high = middle; } 
      const before = Math.max(low - 1, 0), t0 = levels[0].time[before], t1 = levels[0].time[low]; return (before + (t1 > t0 ? (s - t0) / (t1 - t0) : 0)) * width; };
    if (step) { for (let s = Math.ceil(from / step) * step; s <= to; s += step) ticks.push(s); }
    else {
      const months = span / 2629746, stride = [1, 3, 6, 12, 24, 60, 120, 240].find((s) => months / s <= most) || 480, d = new Date(from * 1000);
      for (let m = Math.ceil((d.getUTCFullYear() * 12 + d.getUTCMonth()) / stride) * stride; ; m += stride) { const s = Date.UTC(Math.floor(m / 12), m % 12, 1) / 1000; if (s > to) break; if (s >= from) ticks.push(s); }
    }
    return { bars: ticks.map(barOf), step: step || 0, seconds: ticks };
  }
  let ticks = { bars: [], seconds: [] };
  const axisX = () => ({ stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 }, size: 34,
    splits: (u, axis, min, max) => { if (!about.clock) return null; ticks = calendarTicks(min, max, Math.max(3, u.width / 110)); return ticks.bars; },
    values: (u, splits) => splits.map((bar, i) => { if (!about.clock || bar == null) return bar == null ? "" : Math.round(bar).toLocaleString("en"); const s = ticks.seconds[i], d = new Date(s * 1000);
      if (ticks.step && ticks.step < 86400) return `${two(d.getUTCDate())} ${MONTH[d.getUTCMonth()]} ${two(d.getUTCHours())}:${two(d.getUTCMinutes())}`;
      return ticks.step ? `${two(d.getUTCDate())} ${MONTH[d.getUTCMonth()]} ${d.getUTCFullYear()}` : d.getUTCMonth() === 0 ? String(d.getUTCFullYear()) : `${MONTH[d.getUTCMonth()]} ${d.getUTCFullYear()}`; }) });
  const axisY = (show) => ({ stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, size: 58, values: (u, splits) => splits.map((v) => (v == null ? "" : show(v))) });

  // The charts of curves, on one range of bars.
  const LOOK = { price: ["Price", "ink", short, exact], equity: ["Equity", "blue", short, exact], benchmark: [about.benchmark, "grey", short, exact], drawdown: ["Drawdown", "down", percent, percent],
    held_units: ["Units", "blue", short, exact], held_long: ["Long", "up", percent, percent], held_short: ["Short", "down", percent, percent], held_net: ["Net", "ink", percent, percent] };
  const PANELS = [["price", ["price"], 260], ["equity", ["equity", "benchmark"], 260], ["drawdown", ["drawdown"], 130], ["held", curves.filter((name) => name.startsWith("held_")), 110]];
  let log = about.log, range = [0, Math.max(count - 1, 1)], charts = [], others = [], showing = null;
  const available = (id) => Math.max(240, $(id).clientWidth);

  function pointsOf(names, a, b, pixels) {
    let level = levels[0];
    for (const one of levels) if ((b - a) / one.width >= pixels * 1.5) level = one; else break;
    const from = Math.max(Math.floor(a / level.width) - 1, 0), to = Math.min(Math.ceil(b / level.width) + 2, level.n);
    const x = new Float64Array(to - from);
    for (let i = from; i < to; i++) x[i - from] = Math.min(i * level.width, count - 1);
    showing = level;
    return [x, ...names.flatMap((name) => [gaps(level.of[name].low.subarray(from, to)), gaps(level.of[name].high.subarray(from, to))])];
  }
  function makeCurve([id, names, height]) {
    names = names.filter((name) => curves.includes(name));
    if (!$("chart-" + id) || !names.length) return null;
    // A point that stands for several bars is a box, not a place on a slope.
    const steps = id === "held" || width > 1, paths = steps ? uPlot.paths.stepped({ align: 1 }) : uPlot.paths.linear();
    const series = [{ label: about.clock ? "Time" : "Bar", value: (u, v) => (v == null ? "" : label(v)) }];
    for (const name of names) {
      const [title, ink, , full] = LOOK[name];
      const line = { stroke: colour(ink), width: name === "benchmark" ? 1 : 1.3, paths, points: { show: false } };
      series.push({ ...line, label: width === 1 ? title : title + " low", value: (u, v) => full(v) }, { ...line, label: width === 1 ? title + " " : title + " high", value: (u, v) => full(v) });
    }
    const logged = log && (id === "price" || id === "equity") && names.every((name) => levels[levels.length - 1].of[name].low.every((v) => !(v <= 0)));
    const plot = new uPlot({
      width: available("chart-" + id), height, series, cursor: { sync: { key: "curves", setSeries: false }, drag: { x: true, y: false, setScale: true } },
      scales: { x: { time: false, range: (u, min, max) => [min, max] }, y: logged ? { distr: 3 } : {} }, axes: [axisX(), axisY(LOOK[names[0]][2])],
      bands: names.map((_, i) => ({ series: [2 * i + 2, 2 * i + 1], fill: series[2 * i + 1].stroke + "55", dir: -1 })),
      legend: { live: true, markers: { show: false } },
      hooks: {
        setScale: [(u, key) => { if (key === "x" && !moving) show(u.scales.x.min, u.scales.x.max); }],
        ready: [(u) => { u.over.addEventListener("dblclick", () => show(0, Math.max(count - 1, 1))); if (width === 1) [...u.root.querySelectorAll(".u-legend .u-series")].forEach((row, i) => { if (i > 0 && i % 2 === 1) row.style.display = "none"; }); }],
        draw: id === "price" ? [drawDetail, drawTrades] : id === "drawdown" ? [fillDown] : [],
      },
    }, pointsOf(names, ...range, available("chart-" + id)), $("chart-" + id));
    plot.names = names;
    return plot;
  }
  function fillDown(u) {
    const { ctx } = u, x = u.data[0], low = u.data[1];
    ctx.save(); ctx.beginPath(); ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); ctx.clip(); ctx.beginPath();
    const zero = u.valToPos(0, "y", true);
    ctx.moveTo(u.valToPos(x[0], "x", true), zero);
    for (let i = 0; i < x.length; i++) if (Number.isFinite(low[i])) ctx.lineTo(u.valToPos(x[i], "x", true), u.valToPos(low[i], "y", true));
    ctx.lineTo(u.valToPos(x[x.length - 1], "x", true), zero); ctx.globalAlpha = 0.18; ctx.fillStyle = colour("down"); ctx.fill(); ctx.restore();
  }
  // Full bars, where the view is narrow and they are in the file.
  const full = width === 1 ? (data.open ? { bar: null, open: data.open, high: data.high, low: data.low, close: data.price } : null)
    : data.detail_bar ? { bar: data.detail_bar, open: data.detail_open, high: data.detail_high, low: data.detail_low, close: data.detail_close } : null;
  function firstIn(bars, a) { let low = 0, high = bars.length; while (low < high) { const middle = (low + high) >> 1; if (bars[middle] < a) low = middle + 1; else high = middle; } return low; }
  function drawDetail(u) {
    const a = u.scales.x.min, b = u.scales.x.max, apart = u.bbox.width / Math.max(b - a, 1);
    if (!full || apart < 3 * devicePixelRatio) return;
    const from = full.bar ? firstIn(full.bar, a) : Math.max(Math.floor(a), 0), to = full.bar ? firstIn(full.bar, b + 1) : Math.min(Math.ceil(b) + 1, count);
    const { ctx } = u, body = Math.max(1, Math.min(apart * 0.6, 14 * devicePixelRatio));
    ctx.save(); ctx.beginPath(); ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); ctx.clip(); ctx.lineWidth = devicePixelRatio;
    for (let i = from; i < to; i++) {
      if (!Number.isFinite(full.close[i])) continue;
      const x = u.valToPos(full.bar ? full.bar[i] : i, "x", true), y = (v) => u.valToPos(v, "y", true), up = full.close[i] >= full.open[i];
      ctx.strokeStyle = ctx.fillStyle = colour(up ? "up" : "down");
      ctx.beginPath(); ctx.moveTo(x, y(full.high[i])); ctx.lineTo(x, y(full.low[i])); ctx.stroke();
      const top = y(Math.max(full.open[i], full.close[i])), bottom = y(Math.min(full.open[i], full.close[i]));
      ctx.fillRect(x - body / 2, top, body, Math.max(bottom - top, devicePixelRatio));
    }
    ctx.restore();
  }
  const trades = data.trade_entry_bar ? data.trade_entry_bar.length : 0, MARKED = 300;
  let marked = 0, inView = 0;
  function drawTrades(u) {
    if (!trades) return;
    const a = u.scales.x.min, b = u.scales.x.max;
    let chosen = [];
    for (let i = 0; i < trades; i++) if (data.trade_exit_bar[i] >= a && data.trade_entry_bar[i] <= b) chosen.push(i);
    inView = chosen.length;
    if (chosen.length > MARKED) chosen = chosen.sort((i, j) => Math.abs(data.trade_net_pnl[j]) - Math.abs(data.trade_net_pnl[i])).slice(0, MARKED);
    marked = chosen.length;
    const { ctx } = u, size = 5 * devicePixelRatio, edge = colour("paper");
    ctx.save(); ctx.beginPath(); ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height); ctx.clip(); ctx.strokeStyle = edge; ctx.lineWidth = devicePixelRatio;
    for (const i of chosen) {
      const long = data.trade_side[i] > 0, won = data.trade_net_pnl[i] > 0, stop = /stop/.test((about.words.exit_reason || [])[data.trade_exit_reason && data.trade_exit_reason[i]] || "");
      let x = u.valToPos(data.trade_entry_bar[i], "x", true), y = u.valToPos(data.trade_entry_price[i], "y", true);
      ctx.fillStyle = colour(long ? "up" : "warn-line"); ctx.beginPath();
      const way = long ? 1 : -1;
      ctx.moveTo(x, y + way * size * 0.4); ctx.lineTo(x - size, y + way * size * 2); ctx.lineTo(x + size, y + way * size * 2); ctx.closePath(); ctx.fill(); ctx.stroke();
      if (data.trade_exit_bar[i] < 0) continue;
      x = u.valToPos(data.trade_exit_bar[i], "x", true); y = u.valToPos(data.trade_exit_price[i], "y", true);
      ctx.fillStyle = colour(won ? "up" : "down"); ctx.beginPath();
      if (stop) { ctx.save(); ctx.strokeStyle = ctx.fillStyle; ctx.lineWidth = 2 * devicePixelRatio; ctx.moveTo(x - size * 0.8, y - size * 0.8); ctx.lineTo(x + size * 0.8, y + size * 0.8); ctx.moveTo(x + size * 0.8, y - size * 0.8); ctx.lineTo(x - size * 0.8, y + size * 0.8); ctx.stroke(); ctx.restore(); }
      else { ctx.arc(x, y, size * 0.8, 0, 7); ctx.fill(); ctx.stroke(); }
    }
    ctx.restore();
  }
  let moving = false;
  function show(a, b) {
    const last = Math.max(count - 1, 1);
    if (!(b > a)) return;
    if (b - a < 5) { const middle = (a + b) / 2; a = middle - 2.5; b = middle + 2.5; }
    if (a < 0) { b = Math.min(b - a, last); a = 0; }
    if (b > last) { a = Math.max(a - (b - last), 0); b = last; }
    range = [a, b]; moving = true;
    for (const u of charts) u.batch(() => { u.setData(pointsOf(u.names, a, b, u.width), false); u.setScale("x", { min: a, max: b }); u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false); });
    moving = false;
    queueMicrotask(say);
  }
  function say() {
    const [a, b] = range;
    $("range").textContent = `${label(a)} to ${label(b)}, ${Math.round(b - a + 1).toLocaleString("en")} bars`;
    let text = trades && charts[0] && charts[0].names[0] === "price" ? (inView > marked ? `The ${marked} largest of ${inView.toLocaleString("en")} trades in view are marked. ` : `${inView.toLocaleString("en")} trades in view. `) : "";
    if (showing && showing.width > 1) text += `A point is the lowest and the highest of ${showing.width} bars` + (showing === levels[0] && (b - a) / width < charts[0].width / 4 ? `, the finest in this file${about.around ? `; every bar is here only within ${about.around} bars of an entry or exit` : ""}.` : ".");
    $("level").textContent = text;
  }

  // Charts with an axis of their own.
  function makeOther(id, height, title, x, ys, more = {}) {
    if (!$("chart-" + id)) return;
    const plot = new uPlot({ width: available("chart-" + id), height, legend: { live: true, markers: { show: false } }, cursor: more.cursor || { drag: { x: false, y: false } }, scales: { x: { time: false }, ...(more.scales || {}) },
      series: [{ label: more.xLabel || "", value: (u, v) => (v == null ? "" : (more.showX || exact)(v)) }, ...ys.map((y) => ({ label: title, stroke: y.stroke, fill: y.fill, width: y.width ?? 1.2, paths: y.paths, points: y.points || { show: false }, value: (u, v) => (more.showY || exact)(v) }))],
      axes: [more.axisX || { ...axisY(more.showX || short), size: 34 }, axisY(more.showY || short)] }, [x, ...ys.map((y) => gaps(y.values))], $("chart-" + id));
    others.push(plot);
  }
  function scatter(id, title, xs, xLabel, showX) {
    const order = [...xs.keys()].filter((i) => Number.isFinite(xs[i]) && Number.isFinite(data.trade_return[i])).sort((i, j) => xs[i] - xs[j]);
    const x = order.map((i) => xs[i]), won = order.map((i) => (data.trade_net_pnl[i] > 0 ? data.trade_return[i] : null)), lost = order.map((i) => (data.trade_net_pnl[i] > 0 ? null : data.trade_return[i]));
    const dots = (ink) => ({ stroke: colour(ink), width: 0, paths: () => null, points: { show: true, size: 4, fill: colour(ink), width: 0 } });
    if (x.length) makeOther(id, 220, title, x, [{ ...dots("up"), values: won }, { ...dots("down"), values: lost }], { xLabel, showX, showY: percent });
  }
  function build() {
    for (const u of [...charts, ...others]) u.destroy();
    charts = PANELS.map(makeCurve).filter(Boolean); others = [];
    if (data.bin_middle) makeOther("distribution", 220, about.unit + "s", data.bin_middle, [{ values: data.bin_count, stroke: colour("blue"), fill: colour("blue") + "66", paths: uPlot.paths.bars({ size: [0.9, 60] }) }], { xLabel: "return", showX: percent });
    const ofBars = { xLabel: about.clock ? "Time" : "Bar", showX: label, axisX: axisX() };
    for (const [name, showY] of [["sharpe", exact], ["volatility", percent], ["beta", exact]])
      if (data["rolling_" + name]) makeOther("rolling-" + name, 150, name, data.rolling_bar, [{ values: data["rolling_" + name], stroke: colour("blue") }], { ...ofBars, showY });
    if (trades) { scatter("excursion", "return", data.trade_mae, "worst excursion", percent); scatter("duration", "return", data.trade_bars_held, "bars held", exact); }
    show(...range);
  }
  if (count) build();

  // Controls.
  document.querySelectorAll("[data-span]").forEach((button) => button.addEventListener("click", () => { const last = Math.max(count - 1, 1); show(last * (1 - Number(button.dataset.span)), last); }));
  if ($("log")) { const pressed = () => $("log").setAttribute("aria-pressed", String(log)); pressed(); $("log").addEventListener("click", () => { log = !log; pressed(); build(); }); }
  $("theme").addEventListener("click", () => { theme = theme === "dark" ? "light" : "dark"; themed(); if (count) build(); });
  if ($("charts")) $("charts").addEventListener("keydown", (event) => {
    const [a, b] = range, span = b - a, step = { ArrowLeft: [-0.2, -0.2], ArrowRight: [0.2, 0.2], "+": [0.25, -0.25], "=": [0.25, -0.25], "-": [-0.5, 0.5] }[event.key];
    if (step) show(a + step[0] * span, b + step[1] * span); else if (event.key === "0") show(0, Math.max(count - 1, 1)); else return;
    event.preventDefault();
  });
  let printing = null;
  const resize = () => { const wide = (u) => Math.min(printing || Infinity, Math.max(240, u.root.parentElement.clientWidth)); for (const u of [...charts, ...others]) { const w = wide(u); if (w !== u.width) u.setSize({ width: w, height: u.height }); } if (charts.length) show(...range); };
  let waiting = 0;
  addEventListener("resize", () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(resize); });
  let before = null;
  addEventListener("beforeprint", () => { before = theme; theme = "light"; themed(); printing = 680; if (count) { build(); resize(); } });
  addEventListener("afterprint", () => { theme = before || theme; themed(); printing = null; if (count) { build(); resize(); } });

  // The table of trades: sorted, searched, by pages of a hundred.
  const PAGE = 100;
  if (trades && $("trade-table")) {
    const word = (name) => (i) => about.words[name][data["trade_" + name][i]];
    const time = (end) => (i) => (data[`trade_${end}_time`] ? moment(data[`trade_${end}_time`][i]) : data[`trade_${end}_bar`][i] < 0 ? "open" : "bar " + data[`trade_${end}_bar`][i]);
    const plain = (name, text) => [(i) => data["trade_" + name][i], (i) => text(data["trade_" + name][i])];
    const columns = [["#", (i) => i, (i) => String(i + 1)]];
    if (data.trade_symbol) columns.push(["Asset", word("symbol"), word("symbol")]);
    columns.push(["Side", (i) => data.trade_side[i], (i) => (data.trade_side[i] > 0 ? "long" : "short")], ["Entry", (i) => data.trade_entry_bar[i], time("entry")], ["Exit", (i) => data.trade_exit_bar[i], time("exit")],
      ["Entry price", ...plain("entry_price", exact)], ["Exit price", ...plain("exit_price", exact)], ["Size", ...plain("size", exact)], ["Net profit", ...plain("net_pnl", exact)], ["Return", ...plain("return", percent)],
      ["Fees", ...plain("fees", exact)], ["Worst", ...plain("mae", percent)], ["Best", ...plain("mfe", percent)], ["Bars", ...plain("bars_held", exact)]);
    if (data.trade_exit_reason) columns.push(["Reason", word("exit_reason"), word("exit_reason")]);
    let order = [...Array(trades).keys()], rows = order, sorted = 0, falling = false, page = 0;
    const tableOf = $("trade-table"), head = tableOf.createTHead().insertRow(), bodyOf = tableOf.createTBody();
    columns.forEach(([name, key], at) => {
      const cell = document.createElement("th"), button = document.createElement("button");
      cell.scope = "col"; button.type = "button"; button.textContent = name; cell.append(button); head.append(cell);
      button.addEventListener("click", () => { falling = sorted === at ? !falling : false; sorted = at; sort(); });
    });
    const textOf = (i) => columns.map((column) => column[2](i)).join(" ").toLowerCase();
    let texts = null;
    function sort() {
      const key = columns[sorted][1], way = falling ? -1 : 1;
      order.sort((i, j) => { const a = key(i), b = key(j); return (a < b ? -way : a > b ? way : 0) || (Number.isNaN(a) ? 1 : 0) - (Number.isNaN(b) ? 1 : 0) || i - j; });
      [...head.cells].forEach((cell, at) => cell.setAttribute("aria-sort", at !== sorted ? "none" : falling ? "descending" : "ascending"));
      find();
    }
    function find() {
      const words = $("find").value.toLowerCase().split(/\s+/).filter(Boolean);
      if (words.length && !texts) texts = [...Array(trades).keys()].map(textOf);
      rows = words.length ? order.filter((i) => words.every((w) => texts[i].includes(w))) : order;
      page = 0; paint();
    }
    function paint() {
      const shown = rows.slice(page * PAGE, (page + 1) * PAGE);
      bodyOf.replaceChildren(...shown.map((i) => { const row = document.createElement("tr"); columns.forEach(([name, , text]) => { const cell = row.insertCell(); cell.textContent = text(i); if (!["Side", "Entry", "Exit", "Reason", "Asset"].includes(name)) cell.className = "number"; }); return row; }));
      $("found").textContent = rows.length ? `${(page * PAGE + 1).toLocaleString("en")} to ${(page * PAGE + shown.length).toLocaleString("en")} of ${rows.length.toLocaleString("en")}` : "none";
      $("before").disabled = page === 0; $("next").disabled = (page + 1) * PAGE >= rows.length;
    }
    $("find").addEventListener("input", find);
    $("before").addEventListener("click", () => { page--; paint(); }); $("next").addEventListener("click", () => { page++; paint(); });
    sort();
  }
  // For those who look at the page from outside, such as its tests.
  const told = (u) => ({ id: u.root.parentElement.id, x: [u.scales.x.min, u.scales.x.max], y: [u.scales.y.min, u.scales.y.max], points: u.data[0].length, width: u.width });
  window.sheet = { range: () => [...range], show, charts: () => charts.map(told), others: () => others.map(told), level: () => showing && showing.width, trades };
  root.dataset.ready = "true";
})();
