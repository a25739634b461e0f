// The curve of today's plant power, with a cursor; drawn by uPlot.
import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { clock, number, text } from "./format.js";
import { t } from "./i18n.js";
import { now, state } from "./state.js";

const HOUR = 3600;
let plot = null;
let drawn = null;
let isTableShown = false;

/** Times and watts of the day; `null` where nothing is known. */
function points() {
  const day = state.day;
  if (!day) return [[], []];
  const all = [...day.points, ...state.tail.filter(([at]) => at >= day.from)];
  return [all.map(([at]) => at), all.map(([, watts]) => watts)];
}

/** From an hour before production to nine in the evening, or as late as there is anything. */
function range([times, watts]) {
  const from = state.day.from;
  const first = times.find((_, index) => watts[index] > 0) ?? from + 6 * HOUR;
  const last = Math.max(times.at(-1) ?? 0, now() / 1000);
  const begin = Math.min(first - HOUR, from + 6 * HOUR);
  const end = Math.min(from + 24 * HOUR, Math.max(last + HOUR / 2, from + 21 * HOUR));
  return [from + Math.floor((begin - from) / HOUR) * HOUR, end];
}

export function curve(update) {
  const day = state.day;
  if (!day) return nothing;
  const peak = day.peak;
  const label = peak
    ? t("curve_label", { power: text("power", peak.value), time: clock(Date.parse(peak.time)) })
    : t("curve_label_empty");
  return html`
    <figure class="curve">
      <figcaption><span>${t("today_curve")}</span><output id="cursor" aria-hidden="true"></output></figcaption>
      <div id="plot" role="img" aria-label=${label}></div>
      <button class="link" aria-expanded=${isTableShown} @click=${() => {
        isTableShown = !isTableShown;
        update();
      }}>${t(isTableShown ? "hide_table" : "show_table")}</button>
      ${isTableShown ? table() : nothing}
    </figure>`;
}

function table() {
  const rows = state.day.points.filter(([, watts]) => watts !== null);
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("today_curve")}><table>
    <thead><tr><th scope="col">${t("time")}</th><th scope="col" class="number">${t("power")}</th></tr></thead>
    <tbody>${rows.map(([at, watts]) => html`<tr><td>${clock(at * 1000)}</td><td class="number">${text("power", watts)}</td></tr>`)}</tbody>
  </table></div>`;
}

/** Draws into the element that `curve` has made; cheap when nothing has changed. */
export function drawCurve() {
  const place = document.querySelector("#plot");
  if (!place || !state.day || typeof uPlot === "undefined") {
    forget();
    return;
  }
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const last = state.tail.at(-1) ?? state.day.points.at(-1);
  const key = [state.day.from, state.day.points.length, last?.join(), colour("--ink"), document.documentElement.lang].join();
  const width = place.clientWidth;
  if (plot && plot.root.parentElement === place && drawn === key && plot.width === width) return;
  const data = points();
  const [begin, end] = range(data);
  const height = Math.round(Math.max(150, Math.min(280, width * 0.42)));
  forget();
  drawn = key;
  plot = new uPlot({
    width,
    height,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 9, fill: colour("--solar") } },
    hooks: { setCursor: [showCursor] },
    scales: {
      x: { time: false, range: [begin, end] },
      y: { range: (_, __, most) => [0, Math.max(100, most * 1.08)] },
    },
    axes: [
      {
        stroke: colour("--muted"), font: "12px system-ui, sans-serif", size: 26,
        grid: { show: false }, ticks: { show: false },
        splits: () => hours(begin, end, width),
        values: (_, splits) => splits.map((at) => clock(at * 1000)),
      },
      {
        stroke: colour("--muted"), font: "12px system-ui, sans-serif", size: 46, gap: 4,
        grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false },
        values: (_, splits) => axisLabels(splits),
      },
    ],
    series: [{}, {
      stroke: colour("--solar"), width: 2, fill: colour("--solar-soft"), spanGaps: false,
      points: { show: false },
    }],
  }, data, place);
}

function forget() {
  plot?.destroy();
  plot = null;
  drawn = null;
}

function hours(begin, end, width) {
  const steps = [1, 2, 3, 4, 6].map((hours) => hours * HOUR);
  const step = steps.find((one) => ((end - begin) / one) * 64 < width) ?? 6 * HOUR;
  const found = [];
  for (let at = state.day.from; at <= end; at += step) if (at >= begin) found.push(at);
  return found;
}

/** kW, with as many digits as the steps need. */
function axisLabels(splits) {
  if (splits.at(-1) < 1000) return splits.map((watts) => `${number(watts)} W`);
  const isWhole = splits.every((watts) => watts % 1000 === 0);
  return splits.map((watts, index) => `${number(watts / 1000, isWhole ? 0 : 1)}${index === splits.length - 1 ? " kW" : ""}`);
}

function showCursor(chart) {
  const output = document.querySelector("#cursor");
  const index = chart.cursor.idx;
  const watts = index == null ? null : chart.data[1][index];
  if (!output) return;
  output.textContent = watts == null || chart.cursor.left < 0
    ? ""
    : `${clock(chart.data[0][index] * 1000)}  ${text("power", watts)}`;
}
