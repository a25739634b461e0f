// What the page knows of the plant: the newest snapshot, kept up to date by the stream's messages.

export const state = {
  health: null,
  stats: null,
  plant: null,
  inverters: [],
  meters: [],
  targets: [],
  /** The newest sequence number of the stream. */
  seq: null,
  /** The bridge's version. */
  version: null,
  /** The bridge's day curve: `{from, step, points, peak}`. */
  day: null,
  /** Plant power since the day curve was read: [unix seconds, watts]. */
  tail: [],
  /** Whether the bridge wants a token first. */
  isLocked: false,
  /** Whether the bridge has a token, so that there is a session to end. */
  hasSession: false,
  transport: "none",
  /** Figures of this page's connection. */
  connection: { messages: 0, skipped: 0, reconnects: 0, since: null, last: null, latency: null, lostAt: null },
};

/** The bridge's clock minus this device's, in milliseconds; small differences are transit time. */
let skew = 0;

export function now() {
  return Date.now() + skew;
}

export function setClock(time) {
  const difference = Date.parse(time) - Date.now();
  if (Number.isFinite(difference)) skew = Math.abs(difference - skew) > 2500 ? difference : skew;
}

const bySerial = (a, b) => (a.serial_number < b.serial_number ? -1 : 1);

/** The list of all devices after one DTU has sent its own, or, without a DTU, after some changed. */
function merged(old, fresh, dtu) {
  if (!fresh) return old;
  const serials = new Set(fresh.map((device) => device.serial_number));
  const others = old.filter(
    (device) => !serials.has(device.serial_number) && (dtu == null || device.dtu_name !== dtu),
  );
  return [...others, ...fresh].sort(bySerial);
}

/** Takes one message of the stream; returns whether something to show has changed. */
export function apply({ type, seq, time, skipped, data = {} }) {
  const figures = state.connection;
  figures.messages += 1;
  figures.skipped += skipped ?? 0;
  figures.last = Date.now();
  if (type === "hello" || type === "heartbeat" || type === "pong") setClock(time);
  if (seq != null) state.seq = seq;
  switch (type) {
    case "hello":
      state.version = data.version ?? state.version;
      return true;
    case "snapshot":
      for (const key of ["health", "stats", "plant", "inverters", "meters", "targets"]) {
        if (data[key] != null) state[key] = data[key];
      }
      extendDay(time);
      return true;
    case "update":
      for (const key of ["health", "stats", "plant"]) state[key] = data[key] ?? state[key];
      state.inverters = merged(state.inverters, data.inverters, data.dtu);
      state.meters = merged(state.meters, data.meters, data.dtu);
      extendDay(time);
      return true;
    case "status":
      if (data.dtus && state.health) {
        state.health = { ...state.health, dtus: { ...state.health.dtus, ...data.dtus } };
      }
      if ("mqtt" in data && state.health) state.health = { ...state.health, mqtt: data.mqtt };
      state.targets = data.targets ?? state.targets;
      return true;
    default:
      return false;
  }
}

/** A day at one poll every five seconds, between two readings of the day curve. */
const MAX_TAIL = 720;

function extendDay(time) {
  const power = state.plant?.pv_power;
  const at = Math.round(Date.parse(time ?? newestAnswer()) / 1000);
  if (power == null || !Number.isFinite(at)) return;
  if (at > (state.tail.at(-1)?.[0] ?? 0)) state.tail.push([at, power]);
  if (state.tail.length > MAX_TAIL) state.tail.shift();
  const peak = state.day?.peak;
  if (state.day && (peak?.value ?? -1) < power) {
    state.day = { ...state.day, peak: { time: new Date(at * 1000).toISOString(), value: power } };
  }
}

/** The day curve with what came since. */
export function setDay(day) {
  const last = day.points.at(-1)?.[0] ?? 0;
  state.tail = state.tail.filter(([at]) => at > last);
  state.day = day;
}

export function dtus() {
  return Object.entries(state.health?.dtus ?? {}).map(([name, dtu]) => ({ name, ...dtu }));
}

/** The time of the newest answer of any DTU. */
export function newestAnswer() {
  return dtus().map((dtu) => dtu.last_successful_query).filter(Boolean)
    .sort((a, b) => Date.parse(a) - Date.parse(b)).at(-1);
}

/** How long a value of this DTU counts as fresh: two intervals and a bit, in milliseconds. */
export function freshFor(dtu) {
  return 2.5 * (dtu?.interval_seconds ?? 60) * 1000;
}

export function isOld(device) {
  const limit = freshFor(state.health?.dtus?.[device.dtu_name]);
  return now() - Date.parse(device.timestamp) > limit;
}

/** What this device remembers; nothing where storage is blocked. */
export function remembered(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

export function remember(key, value) {
  try {
    if (value == null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // It holds until the page is closed.
  }
}
