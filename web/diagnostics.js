// The view Diagnostics: what a helper asks first, and the log as it is written.
import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { repeat } from "./vendor/lit-html/directives/repeat.js";
import { age, clockWithSeconds, number, when } from "./format.js";
import { t } from "./i18n.js";
import { copy, icon, problemParts } from "./parts.js";
import { dtus, now, state } from "./state.js";
import { problems, quality, receivers } from "./status.js";
import { path } from "./stream.js";

const MOST_LINES = 200;
const LEVELS = ["error", "warn", "info", "debug", "trace"];

let lines = [];
let next = 0;
let level = "info";
let isPaused = false;
let logProblem = null;
let timer = null;

/** Starts and stops reading the log with the view. */
export function show(isShown, update) {
  clearInterval(timer);
  timer = null;
  if (!isShown) return;
  readLog(update);
  timer = setInterval(() => !isPaused && document.visibilityState === "visible" && readLog(update), 2000);
}

async function readLog(update) {
  try {
    const url = path("api/log");
    url.searchParams.set("after", next);
    const answer = await fetch(url, { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const { next: newest, lines: fresh } = await answer.json();
    // The bridge has restarted, and counts anew.
    if (newest < next) lines = [];
    next = newest;
    logProblem = null;
    if (!fresh.length) return;
    lines = [...lines, ...fresh].slice(-MOST_LINES);
  } catch (error) {
    if (logProblem === error.message) return;
    logProblem = error.message;
  }
  update();
}

const manual = (file) => {
  const base = document.querySelector("meta[name=manual]").content;
  return base.startsWith("http") ? `${base}/${file}` : null;
};

export function view(update) {
  return html`
    <h1 class="title">${t("diagnostics")}</h1>
    <div class="columns even">
      <section class="card">
        <h2>${t("bridge")}</h2>
        ${facts(bridgeFacts())}
        <p class="actions"><a class="button strong" href=${path("api/diagnostics")} download>${t("download_bundle")}</a>
          <button @click=${(event) => copy(event.target, issueText())}>${t("copy_for_issue")}</button></p>
        <p class="quiet">${t("bundle_hides")}</p>
        ${links()}
      </section>
      <section class="card"><h2>${t("this_page")}</h2>${facts(pageFacts())}</section>
    </div>
    <div class="columns even">
      <section class="card"><h2>${t("dtus")}</h2>${dtus().map(dtu)}</section>
      <section class="card"><h2>${t("receivers")}</h2>${receivers().length ? receivers().map(receiver)
        : html`<p class="quiet">${t("no_receivers")}</p>`}</section>
    </div>
    ${log(update)}`;
}

function facts(rows) {
  return html`<dl class="facts long">${rows.filter(([, words]) => words != null)
    .map(([name, words, lang]) => html`<div><dt>${name}</dt><dd lang=${lang ?? nothing}>${words}</dd></div>`)}</dl>`;
}

function bridgeFacts() {
  const { health, stats } = state;
  return [
    [t("version"), state.version ?? health?.version],
    [t("running_for"), health && age(health.uptime_seconds * 1000)],
    [t("started"), health?.start_time && when(Date.parse(health.start_time), now())],
    [t("inverters"), number(state.inverters.length)],
    [t("database"), stats && `${number(stats.database_size_bytes / 1024)} KiB`],
  ];
}

function pageFacts() {
  const { connection, transport } = state;
  const { words, value } = quality(connection.latency);
  const ms = connection.latency == null ? "–" : `${number(connection.latency)} ms`;
  return [
    [t("connection"), t(`transport_${transport}`)],
    [t("quality"), value == null ? "–" : html`<span data-key="page.quality" data-value=${value}>${number(value)}</span> / 100, ${t(`quality_${words}`)} (${ms})`],
    [t("connected_since"), connection.since ? when(connection.since, Date.now()) : "–"],
    [t("messages"), number(connection.messages)],
    [t("skipped"), number(connection.skipped)],
    [t("reconnects"), number(connection.reconnects)],
    [t("last_message"), connection.last ? clockWithSeconds(connection.last) : "–"],
  ];
}

function dtu(one) {
  const failure = { label: one.last_error_cause, cause: one.last_error, remedy: one.last_error_remedy };
  return html`<div class="block"><h3>${one.name}</h3>
    ${facts([
      [t("status"), t(`dtu_${one.status}`)],
      [t("model"), one.model], [t("firmware"), one.firmware_version], [t("protocol"), one.protocol],
      [t("serial_number"), one.serial_number],
      [t("queries"), t("queries_of", { errors: number(one.error_count), all: number(one.query_count) })],
      [t("last_answer"), one.last_successful_query ? when(Date.parse(one.last_successful_query), now()) : t("never")],
    ])}
    ${one.last_error ? html`<details><summary>${t("last_failure", { time: one.last_error_time ? when(Date.parse(one.last_error_time), now()) : "" })}</summary>
      ${problemParts(failure)}</details>` : nothing}
    ${(one.problems ?? []).map((problem) => html`<div class="warning">${icon("warning")}${problemParts(problem)}</div>`)}</div>`;
}

function receiver(one) {
  const failure = { label: one.last_error_cause, cause: one.last_error, remedy: one.last_error_remedy };
  return html`<div class="block"><h3>${one.name}</h3>
    ${facts([
      [t("status"), t(`receiver_${one.state}`)],
      [t("address"), one.url],
      [t("updates_sent"), one.updates_sent == null ? null : number(one.updates_sent)],
      [t("skipped"), one.updates_skipped == null ? null : number(one.updates_skipped)],
      [t("attempts"), one.attempts == null ? null : number(one.attempts)],
    ])}
    ${one.last_error ? html`<details><summary>${t("last_failure", { time: one.last_error_time ? when(Date.parse(one.last_error_time), now()) : "" })}</summary>
      ${problemParts(failure)}</details>` : nothing}</div>`;
}

function links() {
  const rows = [["troubleshooting.md", "manual_troubleshooting"], ["README.md", "manual_all"], ["api.md", "manual_api"]];
  const known = rows.map(([file, word]) => [manual(`docs/${file}`), word]).filter(([url]) => url);
  if (!known.length) return nothing;
  return html`<ul class="links">${known.map(([url, word]) => html`<li><a href=${url} target="_blank" rel="noreferrer noopener">${t(word)}</a></li>`)}</ul>`;
}

function log(update) {
  const shown = lines.filter((line) => LEVELS.indexOf(line.level.toLowerCase()) <= LEVELS.indexOf(level));
  const text = () => shown.map((line) => `${line.time} ${line.level.toUpperCase()} ${line.message}`).join("\n");
  return html`<section class="card">
    <h2>${t("log")}</h2>
    <div class="tools">
      <label>${t("level")} <select @change=${(event) => {
        level = event.target.value;
        update();
      }}>${LEVELS.map((one) => html`<option ?selected=${one === level}>${one}</option>`)}</select></label>
      <button aria-pressed=${isPaused} @click=${() => {
        isPaused = !isPaused;
        update();
      }}>${t(isPaused ? "resume" : "pause")}</button>
      <button @click=${(event) => copy(event.target, text())}>${t("copy")}</button>
    </div>
    ${logProblem ? html`<p class="quiet">${t("log_unavailable")}</p>` : nothing}
    <div class="log" tabindex="0" role="region" aria-label=${t("log")}><ol class="plain" lang="en">${repeat(shown.slice().reverse(), (line) => line.seq, (line) => html`
      <li class=${line.level.toLowerCase()}><time datetime=${line.time}>${clockWithSeconds(Date.parse(line.time))}</time>
        <b>${line.level.toLowerCase()}</b> <span>${line.message}</span></li>`)}</ol></div>
  </section>`;
}

/** What a bug report needs, in English, without addresses and names. */
function issueText() {
  const rows = [
    `hoymiles-bridge ${state.version ?? state.health?.version}, up ${state.health?.uptime_seconds} s`,
    `${state.inverters.length} inverters, ${state.meters.length} meters`,
    ...dtus().map((one, index) => `DTU ${index + 1}: ${one.status}, ${one.protocol}, ${one.model ?? "model unknown"}, `
      + `firmware ${one.firmware_version ?? "unknown"}, ${one.error_count} of ${one.query_count} queries failed`
      + (one.last_error ? `, last error ${one.last_error_cause}` : "")),
    ...receivers().map((one) => `Receiver: ${one.state}` + (one.last_error_cause ? `, last error ${one.last_error_cause}` : "")),
    ...problems().map((one) => `Problem: ${one.label ?? one.kind}`),
    `Page: ${state.transport}, ${navigator.userAgent}`,
  ];
  return ["```text", ...rows, "```"].join("\n");
}
