// The view Inverters: a card each, above thirty a dense row each; and all ports as a table.
import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { KINDS, plain } from "./format.js";
import { count, t } from "./i18n.js";
import { ageOf, bar, copy, icon, value } from "./parts.js";
import { freshFor, isOld, state } from "./state.js";
import { byAttention, hasAlarm } from "./status.js";

/** Above this, rows instead of cards. */
const MOST_CARDS = 30;

const SORTS = ["attention", "serial", "power", "today", "dtu"];
let sort = "attention";
let filter = "";

export function view(update, isTable) {
  const found = filtered();
  const best = Math.max(1, ...state.inverters.flatMap((one) => one.ports.map((port) => port.pv_power ?? 0)));
  return html`
    <h1 class="title">${t("inverters")} <small>${count("inverter_count", state.inverters.length)}</small></h1>
    <div class="tools" role="search">
      <label>${t("filter")} <input type="search" autocomplete="off" placeholder=${t("filter_hint")} .value=${filter}
        @input=${(event) => {
          filter = event.target.value;
          update();
        }}></label>
      <label>${t("sort")} <select @change=${(event) => {
        sort = event.target.value;
        update();
      }}>${SORTS.map((one) => html`<option value=${one} ?selected=${one === sort}>${t(`sort_${one}`)}</option>`)}</select></label>
      <a class="button" href=${isTable ? "#/inverters" : "#/inverters/table"}>${t(isTable ? "show_cards" : "show_table")}</a>
      ${isTable ? html`<button @click=${(event) => copy(event.target, spreadsheet(found))}>${t("copy")}</button>` : nothing}
    </div>
    ${found.length ? nothing : html`<p class="quiet">${t(state.inverters.length ? "nothing_found" : "no_inverters")}</p>`}
    ${isTable ? portTable(found)
      : found.length > MOST_CARDS ? dense(found, best)
        : html`<ul class="plain cards">${repeat(found, (one) => one.serial_number, (one) => card(one, best))}</ul>`}
    ${state.meters.length ? meters() : nothing}`;
}

function filtered() {
  const wanted = filter.trim().toLowerCase();
  const words = (one) => [one.serial_number, one.inverter_type, one.dtu_name, one.alarm_text].join(" ").toLowerCase();
  const orders = {
    attention: byAttention(state.inverters),
    power: (a, b) => (b.pv_power ?? -1) - (a.pv_power ?? -1),
    today: (a, b) => (b.today_production ?? -1) - (a.today_production ?? -1),
    dtu: (a, b) => a.dtu_name.localeCompare(b.dtu_name),
    serial: () => 0,
  };
  return state.inverters.filter((one) => words(one).includes(wanted)).sort(orders[sort]);
}

const key = (one, name) => `${one.serial_number}.${name}`;
const portKey = (port, name) => `${port.serial_number}.${port.port_number}.${name}`;

function serial(number) {
  return html`<span class="serial"><small>${number.slice(0, -4)}</small><b>${number.slice(-4)}</b></span>`;
}

function alarm(one) {
  if (!hasAlarm(one)) return nothing;
  return html`<p class="alarm">${icon("warning")} <span lang="en">${one.alarm_text ?? t("alarm")}</span> <code>${one.alarm_code}</code></p>`;
}

/** What the device gives beyond its power: [name, key, kind]. */
const MORE = [
  ["ac_power", "active_power", "power"],
  ["limit", "power_limit", "percent"],
  ["temperature", "temperature", "temperature"],
  ["grid_voltage", "grid_voltage", "voltage"],
  ["grid_frequency", "grid_frequency", "frequency"],
  ["reactive_power", "reactive_power", "power"],
  ["power_factor", "power_factor", "factor"],
  ["signal", "signal", "percent"],
];

function card(one, best) {
  const old = isOld(one);
  const dtu = state.health?.dtus?.[one.dtu_name];
  return html`<li class=${old ? "card inverter stale" : "card inverter"} id=${`i${one.serial_number}`}>
    <header><h2>${serial(one.serial_number)}</h2>
      <p class="quiet">${one.inverter_type} · ${one.dtu_name}</p>
      <span class="aside">${ageOf(one.timestamp, dtu?.status === "asleep" ? Infinity : freshFor(dtu))}</span></header>
    ${alarm(one)}
    <p class="inverter-power">${value(key(one, "pv_power"), one.pv_power, "power")}
      <span class="quiet">${t("today")} ${value(key(one, "today_production"), one.today_production, "energy")}</span></p>
    <ul class="plain ports">${one.ports.map((port) => portBar(port, best, old))}</ul>
    <dl class="facts">${MORE.filter(([, name]) => one[name] != null).map(([word, name, kind]) => html`
      <div><dt>${t(word)}</dt><dd>${value(key(one, name), one[name], kind)}</dd></div>`)}
      <div><dt>${t("total")}</dt><dd>${value(key(one, "total_production"), one.total_production, "energy", "no_total")}</dd></div>
    </dl>
  </li>`;
}

function portBar(port, best, old) {
  return html`<li><span class="port-number">${port.port_number}</span>${bar((port.pv_power ?? 0) / best, old)}
    ${value(portKey(port, "pv_power"), port.pv_power, "power")}</li>`;
}

/** One row per inverter, for large plants. */
function dense(found, best) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("inverters")}><table class="dense">
    <thead><tr><th scope="col">${t("inverter")}</th><th scope="col">${t("ports")}</th><th scope="col" class="number">${t("power")}</th>
      <th scope="col" class="number">${t("today")}</th><th scope="col" class="wide">${t("temperature")}</th>
      <th scope="col" class="wide">${t("dtu")}</th><th scope="col">${t("age")}</th></tr></thead>
    <tbody>${repeat(found, (one) => one.serial_number, (one) => {
      const old = isOld(one);
      const dtu = state.health?.dtus?.[one.dtu_name];
      return html`<tr class=${old ? "stale" : ""}>
        <th scope="row">${serial(one.serial_number)}${alarm(one)}</th>
        <td class="port-bars">${one.ports.map((port) => html`<span class="tiny" data-key=${portKey(port, "pv_power")}
          data-value=${port.pv_power ?? ""} title=${`${port.port_number}`}>${bar((port.pv_power ?? 0) / best, old)}<span
          class="number">${port.pv_power == null ? "–" : KINDS.power(port.pv_power).join("\u00a0")}</span></span>`)}</td>
        <td class="number">${value(key(one, "pv_power"), one.pv_power, "power")}</td>
        <td class="number">${value(key(one, "today_production"), one.today_production, "energy")}</td>
        <td class="number wide">${value(key(one, "temperature"), one.temperature, "temperature")}</td>
        <td class="wide">${one.dtu_name}</td>
        <td>${ageOf(one.timestamp, dtu?.status === "asleep" ? Infinity : freshFor(dtu))}</td></tr>`;
    })}</tbody></table></div>`;
}

/** The columns of the table of ports: [name, kind, value of (inverter, port)]. */
const COLUMNS = [
  ["dtu", null, (one) => one.dtu_name],
  ["serial_number", null, (one) => one.serial_number],
  ["port", "count", (_, port) => port.port_number],
  ["power", "power", (_, port) => port.pv_power],
  ["voltage", "voltage", (_, port) => port.pv_voltage],
  ["current", "current", (_, port) => port.pv_current],
  ["today", "energy", (_, port) => port.today_production],
  ["total", "energy", (_, port) => port.total_production],
  ["time", null, (_, port) => port.timestamp],
];
const DIGITS = { power: 1, voltage: 1, current: 2 };
const UNITS = { power: "W", voltage: "V", current: "A", energy: "Wh" };
const KEYS = { power: "pv_power", voltage: "pv_voltage", current: "pv_current", today: "today_production", total: "total_production" };

const columnTitle = ([name, kind]) => (UNITS[kind] ? `${t(name)} (${UNITS[kind]})` : t(name));

function portTable(found) {
  const rows = found.flatMap((one) => one.ports.map((port) => [one, port]));
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t("all_ports")}><table class="dense" id="ports">
    <thead><tr>${COLUMNS.map((column) => html`<th scope="col" class=${column[1] ? "number" : ""}>${columnTitle(column)}</th>`)}</tr></thead>
    <tbody>${repeat(rows, ([, port]) => `${port.serial_number}.${port.port_number}`, ([one, port]) => html`<tr class=${isOld(port) ? "stale" : ""}>${
      COLUMNS.map(([name, kind, of]) => cell(port, name, kind, of(one, port)))}</tr>`)}</tbody></table></div>`;
}

function cell(port, name, kind, raw) {
  const shown = raw == null ? "–" : kind ? plain(raw, DIGITS[kind]) : name === "time" ? raw.replace("T", " ").slice(0, 19) : raw;
  return KEYS[name]
    ? html`<td class="number" data-key=${portKey(port, KEYS[name])} data-value=${raw ?? ""}>${shown}</td>`
    : html`<td class=${kind ? "number" : ""}>${shown}</td>`;
}

/** Tab-separated, which spreadsheets take as cells. */
function spreadsheet(found) {
  const lines = found.flatMap((one) => one.ports.map((port) =>
    COLUMNS.map(([name, kind, of]) => (kind ? plain(of(one, port), DIGITS[kind]) : of(one, port) ?? "")).join("\t")));
  return [COLUMNS.map(columnTitle).join("\t"), ...lines].join("\n");
}

function meters() {
  return html`<section><h2>${t("meters")}</h2><ul class="plain cards">${repeat(state.meters, (one) => one.serial_number, (one) => html`
    <li class=${isOld(one) ? "card inverter stale" : "card inverter"}>
      <header><h3>${serial(one.serial_number)}</h3><p class="quiet">${t("meter")} · ${one.dtu_name}</p>
        <span class="aside">${ageOf(one.timestamp, freshFor(state.health?.dtus?.[one.dtu_name]))}</span></header>
      <p class="inverter-power">${value(key(one, "power"), one.power, "power")}</p>
      <dl class="facts">
        <div><dt>${t("exported")}</dt><dd>${value(key(one, "energy_exported"), one.energy_exported, "energy")}</dd></div>
        <div><dt>${t("imported")}</dt><dd>${value(key(one, "energy_imported"), one.energy_imported, "energy")}</dd></div>
        ${one.phases.map((phase, index) => html`<div><dt>${t("phase", { letter: "ABC"[index] })}</dt>
          <dd>${value(key(one, `phases.${index}.power`), phase.power, "power")}</dd></div>`)}
      </dl></li>`)}</ul></section>`;
}
