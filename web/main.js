// Starts the page: words, data, the frame around the views, and which view is shown.
import { html, nothing, render } from "./vendor/lit-html/lit-html.js";
import { drawCurve } from "./curve.js";
import * as diagnostics from "./diagnostics.js";
import { setZone } from "./format.js";
import { LANGUAGES, choose, language, load, t } from "./i18n.js";
import * as inverters from "./inverters.js";
import * as login from "./login.js";
import * as now from "./now.js";
import { ageOf, icon, tickAges } from "./parts.js";
import { apply, dtus, freshFor, newestAnswer, remember, remembered, setDay, state } from "./state.js";
import { isNight, quality } from "./status.js";
import { path, run } from "./stream.js";

/** Views by the first part of the address after `#/`; the first one is the default. */
const VIEWS = new Map([
  ["now", { view: () => now.view(update) }],
  ["inverters", { view: (rest) => inverters.view(update, rest === "table") }],
  ["diagnostics", { view: () => diagnostics.view(update), shown: (isShown) => diagnostics.show(isShown, update) }],
]);

const page = document.querySelector("#page");
let unlock = () => {};
let current = null;
let isDue = false;

function address() {
  const [, name, rest] = /^#\/([^/]*)\/?(.*)$/.exec(location.hash) ?? [];
  return VIEWS.has(name) ? [name, rest] : ["now", ""];
}

/** Renders once before the next frame, however often it is called. */
function update() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(draw);
}

function draw() {
  isDue = false;
  setZone(state.timeZone, state.plant?.today_since ?? newestAnswer());
  const [name, rest] = address();
  render(state.isLocked ? html`${header(null)}${login.view(update, () => unlock())}` : frame(name, rest), page);
  document.title = title(name);
  drawCurve();
  tickAges();
}

function title(name) {
  return state.isLocked ? `${t("log_in")} – Hoymiles` : `${t(`view_${name}`)} – Hoymiles`;
}

function frame(name, rest) {
  return html`
    <a class="skip" href="#main" @click=${skip}>${t("skip")}</a>
    ${header(name)}
    <main id="main" tabindex="-1" class=${name}>${VIEWS.get(name).view(rest)}</main>
    ${footer()}`;
}

function skip(event) {
  event.preventDefault();
  document.querySelector("#main").focus();
}

function header(name) {
  return html`<header class="top">
    <span class="brand"><img src=${document.querySelector("link[rel=icon]").href} alt="" width="24" height="24"> Hoymiles</span>
    ${name === null ? nothing : html`<nav aria-label=${t("views")}>${[...VIEWS.keys()].map((one) => html`
      <a href=${`#/${one}`} aria-current=${one === name ? "page" : nothing}>${icon(one)}<span>${t(`view_${one}`)}</span></a>`)}</nav>
      ${light()}`}
  </header>`;
}

/** How the page gets its data, and how old they are. */
function light() {
  const newest = newestAnswer();
  const words = t(`transport_${state.transport}`);
  const { words: name, value } = quality(state.connection.latency);
  const detail = value == null ? words : `${words}: ${t(`quality_${name}`)}, ${value}/100`;
  const slowest = Math.max(0, ...dtus().filter((dtu) => dtu.status === "online").map(freshFor));
  return html`<a class=${`light ${state.transport}`} href="#/diagnostics" title=${detail}>
    <span class="dot" aria-hidden="true"></span><span>${words}</span>
    ${newest && !isNight() ? html`<span aria-hidden="true">·</span><span class="data-age">${ageOf(newest, slowest || Infinity)}</span>` : nothing}</a>`;
}

function footer() {
  const theme = document.documentElement.dataset.theme ?? "auto";
  return html`<footer>
    <label>${t("language")} <select @change=${async (event) => {
      await choose(event.target.value);
      update();
    }}>${[...LANGUAGES].map(([tag, [own]]) => html`<option value=${tag} lang=${tag} ?selected=${tag === language}>${own}</option>`)}</select></label>
    <label>${t("theme")} <select @change=${(event) => chooseTheme(event.target.value)}>${["auto", "light", "dark"].map((one) =>
      html`<option value=${one} ?selected=${one === theme}>${t(`theme_${one}`)}</option>`)}</select></label>
    ${state.hasSession ? html`<button class="link" @click=${login.logOut}>${t("log_out")}</button>` : nothing}
    <span class="quiet">hoymiles-bridge ${state.version ?? ""}</span>
  </footer>`;
}

function chooseTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  remember("theme", theme === "auto" ? null : theme);
  update();
}

function followAddress() {
  const [name] = address();
  if (name !== current) {
    VIEWS.get(current)?.shown?.(false);
    VIEWS.get(name).shown?.(!state.isLocked);
    if (current !== null) scrollTo(0, 0);
    current = name;
  }
  update();
}

/** Reads the bridge's day curve; tries again with the next reading if it fails. */
let dayIsDueAt = 0;

async function readDay() {
  if (Date.now() < dayIsDueAt || state.isLocked) return;
  dayIsDueAt = Date.now() + 300_000;
  try {
    const answer = await fetch(path("api/plant/day"));
    if (!answer.ok) throw new Error(String(answer.status));
    const day = await answer.json();
    state.timeZone = day.timezone ?? state.timeZone;
    setDay(day);
    update();
  } catch {
    dayIsDueAt = Date.now() + 20_000;
  }
}

/** A newer bridge behind an old page: loads the new page, once per version. */
function reloadIfNewer(version) {
  const own = document.querySelector("meta[name=version]").content;
  if (own.startsWith("%") || !version || own === version) return;
  try {
    if (sessionStorage.getItem("reloaded-for") === version) return;
    sessionStorage.setItem("reloaded-for", version);
  } catch {
    return;
  }
  location.reload();
}

function takeMessage(message) {
  if (message.type === "hello") {
    reloadIfNewer(message.data?.version);
    if (message.data?.resumed === false) dayIsDueAt = 0;
    state.timeZone = message.data?.timezone ?? state.timeZone;
  }
  if (apply(message)) update();
  if (message.type === "snapshot" || message.type === "update") readDay();
}

function takeTransport(name) {
  document.documentElement.dataset.transport = name;
  const { connection } = state;
  if (name === "none") {
    connection.lostAt ??= Date.now();
    connection.since = null;
    connection.latency = null;
    setTimeout(update, 1600);
  } else {
    connection.lostAt = null;
    connection.since ??= Date.now();
  }
  state.transport = name;
  update();
}

function askForToken() {
  state.isLocked = true;
  state.hasSession = true;
  VIEWS.get(current)?.shown?.(false);
  update();
  requestAnimationFrame(() => document.querySelector("#token")?.focus());
  return new Promise((resolve) => {
    unlock = () => {
      state.isLocked = false;
      state.connection.lostAt = null;
      remember("has_session", "1");
      dayIsDueAt = 0;
      VIEWS.get(current)?.shown?.(true);
      update();
      resolve();
    };
  });
}

async function start() {
  // What the bridge has put into the page: whether a token is missing, else a snapshot.
  const given = JSON.parse(document.querySelector("#start").textContent);
  state.hasSession = given.has_session ?? remembered("has_session") === "1";
  state.timeZone = given.timezone;
  if (given.update) apply({ type: "snapshot", data: { ...given.update.data, targets: given.targets } });
  await load();
  followAddress();
  addEventListener("hashchange", followAddress);
  addEventListener("resize", update);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", update);
  setInterval(() => document.visibilityState === "visible" && tickAges(), 1000);
  // Sentences with durations and values that grow old.
  setInterval(update, 15_000);
  if (given.is_locked) await askForToken();
  await run({
    message: takeMessage,
    transport: takeTransport,
    locked: askForToken,
    latency: (ms) => {
      state.connection.latency = ms == null ? null : Math.round(ms);
      update();
    },
  });
}

start();
