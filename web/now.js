// The view Now: one sentence, power, the day, the DTUs and who receives updates.
import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { curve } from "./curve.js";
import { clock, text, when } from "./format.js";
import { count, t } from "./i18n.js";
import { ageOf, bar, icon, problemParts, value } from "./parts.js";
import { dtus, freshFor, isOld, now, state } from "./state.js";
import { byAttention, hasAlarm, isFailing, isNight, receivers, summary } from "./status.js";

export function view(update) {
  return html`
    ${headline()}
    <div class="columns">
      <section class="card hero" aria-label=${t("production")}>
        ${figures()}
        ${curve(update)}
      </section>
      <div class="side">
        <section class="card"><h2>${t("dtus")}</h2>${dtuList()}</section>
        <section class="card"><h2>${t("receivers")}</h2>${receiverList()}</section>
      </div>
    </div>
    ${panels()}`;
}

function headline() {
  const { level, sentence, more, label, cause, remedy, isOurs, link } = summary();
  const hasParts = cause || remedy;
  return html`
    <section class=${`headline ${level}`}>
      ${icon(level)}
      <div>
        <div role="status" aria-live="polite"><h1>${sentence}</h1></div>
        ${hasParts ? html`<details ?open=${level === "error"}><summary>${t("why_and_what")}</summary>
          ${problemParts({ label, cause, remedy, isOurs })}</details>` : nothing}
        ${link ? html`<p><a href=${link}>${t("show_inverter")}</a></p>` : nothing}
        ${more.length ? html`<details class="more"><summary>${count("more_problems", more.length)}</summary>
          <ul class="plain">${more.map((one) => html`<li class=${one.level}><strong>${icon(one.level)}${one.sentence}</strong>
            ${problemParts(one)}</li>`)}</ul></details>` : nothing}
      </div>
    </section>`;
}

function figures() {
  const plant = state.plant ?? {};
  const peak = state.day?.peak;
  const isStale = state.transport === "none" && state.connection.lostAt != null;
  return html`
    <p class=${isStale ? "power old" : "power"}><span class="label">${t("power_now")}</span>
      ${value("plant.pv_power", plant.pv_power, "power", isNight() ? "asleep_no_power" : "no_source")}</p>
    <dl class="figures">
      <div><dt>${t("today")}</dt><dd>${value("plant.today_production", plant.today_production, "energy")}</dd></div>
      <div><dt>${peak ? t("peak_at", { time: clock(Date.parse(peak.time)) }) : t("peak")}</dt><dd>${peak
        ? value("plant.peak", peak.value, "power")
        : value("plant.peak", null, "power", "no_peak")}</dd></div>
      <div><dt>${t("total")}</dt><dd>${value("plant.total_production", plant.total_production, "energy", "no_total")}</dd></div>
      ${plant.active_power == null ? nothing : html`<div><dt>${t("ac_power")}</dt>
        <dd>${value("plant.active_power", plant.active_power, "power")}</dd></div>`}
    </dl>`;
}

const DTU_ICONS = { online: "ok", asleep: "night", error: "error", unknown: "waiting" };
const MOST_SHOWN = 8;

/** The first ones open, the rest on demand, so that fifty DTUs do not hide what follows. */
function shortened(items, key, row, kind) {
  const first = items.slice(0, MOST_SHOWN);
  const rest = items.slice(MOST_SHOWN);
  return html`<ul class="plain rows">${repeat(first, key, row)}</ul>
    ${rest.length ? html`<details><summary>${count(kind, rest.length)}</summary>
      <ul class="plain rows">${repeat(rest, key, row)}</ul></details>` : nothing}`;
}

function dtuList() {
  const rank = (dtu) => ["error", "unknown"].includes(dtu.status) ? 0 : dtu.problems?.length ? 1 : 2;
  const all = dtus().sort((a, b) => rank(a) - rank(b));
  if (!all.length) return html`<p class="quiet">${t("no_dtu")}</p>`;
  return shortened(all, (dtu) => dtu.name, dtuRow, "more_dtus");
}

function dtuRow(dtu) {
  const isError = dtu.status === "error";
  const failure = { label: dtu.last_error_cause, cause: dtu.last_error, remedy: dtu.last_error_remedy };
  const parts = [...(isError ? [failure] : []), ...(dtu.problems ?? [])];
  return html`<li class=${isError ? "error" : parts.length ? "warning" : ""}>
    <div class="row">
      ${icon(parts.length && !isError ? "warning" : DTU_ICONS[dtu.status] ?? "waiting")}
      <div><strong>${dtu.name}</strong>
        <span data-key=${`${dtu.name}.status`} data-value=${dtu.status}>${t(`dtu_${dtu.status}`)}</span></div>
      <span class="aside">${dtu.last_successful_query
        ? ageOf(dtu.last_successful_query, dtu.status === "asleep" ? Infinity : freshFor(dtu))
        : t("never")}</span>
    </div>
    ${parts.length ? html`<details><summary>${t("why_and_what")}</summary>${parts.map(problemParts)}</details>` : nothing}
  </li>`;
}

function receiverList() {
  const all = receivers().slice().sort((a, b) => isFailing(b) - isFailing(a));
  if (!all.length) return html`<p class="quiet">${t("no_receivers")}</p>`;
  return shortened(all, (receiver) => receiver.name, receiverRow, "more_receivers");
}

function receiverRow(receiver) {
  const failing = isFailing(receiver);
  const isConnected = receiver.state === "connected";
  const last = {
    label: receiver.last_error_cause, cause: receiver.last_error, remedy: receiver.last_error_remedy,
  };
  return html`<li class=${failing ? "warning" : ""}>
    <div class="row">
      ${icon(isConnected ? "ok" : failing ? "error" : "waiting")}
      <div><strong>${receiver.name}</strong>
        <span data-key=${`${receiver.name}.state`} data-value=${receiver.state}>${t(`receiver_${receiver.state}`)}</span></div>
      <span class="aside">${receiver.last_sent ? ageOf(receiver.last_sent) : nothing}</span>
    </div>
    ${isConnected && receiver.connected_since
      ? html`<p class="quiet">${t("since", { time: when(Date.parse(receiver.connected_since), now()) })}</p>` : nothing}
    ${receiver.last_error ? html`<details><summary>${failing ? t("why_and_what")
      : t("last_failure", { time: receiver.last_error_time ? when(Date.parse(receiver.last_error_time), now()) : "" })}</summary>
      ${problemParts(last)}</details>` : nothing}
  </li>`;
}

/** A bar per port, the inverters that need attention first. */
function panels() {
  const all = state.inverters.filter((inverter) => inverter.ports.length);
  if (!all.length) return nothing;
  const best = Math.max(1, ...all.flatMap((inverter) => inverter.ports.map((port) => port.pv_power ?? 0)));
  const sorted = all.slice().sort(byAttention(all));
  return html`<section class="card">
    <h2 class="with-link">${t("panels_now")} <a class="aside" href="#/inverters">${t("all_inverters")}</a></h2>
    <ul class="plain multiples">${repeat(sorted.slice(0, 40), (inverter) => inverter.serial_number, (inverter) => html`
      <li title=${`${inverter.inverter_type} ${inverter.serial_number}`}>
        <span class="serial">…${inverter.serial_number.slice(-4)}${hasAlarm(inverter) ? icon("warning") : nothing}</span>
        ${inverter.ports.map((port) => html`<span class="mini">${bar((port.pv_power ?? 0) / best, isOld(port) || isOld(inverter))}
          <span class="number">${text("power", port.pv_power)}</span></span>`)}
      </li>`)}</ul>
    ${sorted.length > 40 ? html`<p><a href="#/inverters">${count("more_inverters", sorted.length - 40)}</a></p>` : nothing}
  </section>`;
}
