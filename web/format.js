// Numbers, units and times by Intl, in the reader's language and the bridge's time zone.
let locale = "en";
let zone = null;
let offset = 0;
const cache = new Map();

export function setLocale(tag) {
  locale = tag;
  cache.clear();
}

/** The bridge's time zone by name; without one, the offset at the end of an API time is used. */
export function setZone(name, time) {
  const [, sign, hours, minutes] = /([+-])(\d\d):(\d\d)$/.exec(time ?? "") ?? [];
  if (hours) offset = (sign === "-" ? -1 : 1) * (hours * 60 + Number(minutes)) * 60_000;
  if (!name || name === zone) return;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    zone = name;
    cache.clear();
  } catch {
    // An older browser does not know this name: the offset is right, too.
  }
}

function cached(key, make) {
  if (!cache.has(key)) cache.set(key, make());
  return cache.get(key);
}

/** A number with this many digits after the separator, at most or exactly. */
export function number(value, digits = 0, exactly = true) {
  const options = {
    maximumFractionDigits: digits,
    minimumFractionDigits: exactly ? digits : 0,
  };
  return cached(`n${digits}${exactly}`, () => new Intl.NumberFormat(locale, options)).format(value);
}

/** For spreadsheets: the reader's decimal separator, nothing between thousands. */
export function plain(value, digits = 0) {
  if (typeof value !== "number") return value ?? "";
  const options = { useGrouping: false, maximumFractionDigits: digits, minimumFractionDigits: digits };
  return cached(`plain${digits}`, () => new Intl.NumberFormat(locale, options)).format(value);
}

/** Three significant digits and the unit that suits: 7.81 kW, 213 W, 92.5 kWh. */
function scaled(value, units) {
  const rounded = Number(value.toPrecision(3));
  let step = 0;
  while (Math.abs(rounded) >= 1000 ** (step + 1) && step + 1 < units.length) step += 1;
  const shown = rounded / 1000 ** step;
  const size = Math.abs(shown);
  let digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  if (step === 0) digits = size >= 10 || Number.isInteger(shown) ? 0 : 1;
  return [number(shown, digits), units[step]];
}

const fixed = (digits, unit) => (value) => [number(value, digits), unit];

/** How a kind of value is written: number and unit. */
export const KINDS = {
  power: (value) => scaled(value, ["W", "kW", "MW"]),
  energy: (value) => scaled(value, ["Wh", "kWh", "MWh", "GWh"]),
  voltage: fixed(1, "V"),
  current: fixed(2, "A"),
  frequency: fixed(2, "Hz"),
  temperature: fixed(1, "°C"),
  percent: fixed(0, "%"),
  factor: fixed(2, ""),
  count: fixed(0, ""),
};

/** Number and unit in one text, with a no-break space. */
export function text(kind, value) {
  return value == null ? "–" : KINDS[kind](value).filter(Boolean).join("\u00a0");
}

function moment(ms, key, options) {
  const format = cached(
    key,
    () => new Intl.DateTimeFormat(locale, { ...options, timeZone: zone ?? "UTC" }),
  );
  return format.format(zone ? ms : ms + offset);
}

export function clock(ms) {
  return moment(ms, "clock", { hour: "2-digit", minute: "2-digit" });
}

export function clockWithSeconds(ms) {
  return moment(ms, "seconds", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

function day(ms) {
  return moment(ms, "day", { day: "numeric", month: "short", year: "numeric" });
}

/** The time; of other days the date, too. */
export function when(ms, now) {
  return day(ms) === day(now) ? clock(ms) : `${day(ms)}, ${clock(ms)}`;
}

/** Short age: 12 s, 4 min, 3 h, 2 d. */
export function age(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 100) return `${number(s)}\u00a0s`;
  if (s < 6000) return `${number(s / 60)}\u00a0min`;
  if (s < 172800) return `${number(s / 3600)}\u00a0h`;
  const options = { style: "unit", unit: "day", unitDisplay: "short" };
  return cached("days", () => new Intl.NumberFormat(locale, options)).format(Math.round(s / 86400));
}
