// Words in the reader's language: one JSON file per language, all with the same keys.
import { setLocale } from "./format.js";
import { remembered, remember } from "./state.js";

/** Language, its own name, and where its words are. */
export const LANGUAGES = new Map([
  ["en", ["English", "./languages/en.json"]],
  ["de", ["Deutsch", "./languages/de.json"]],
  ["fr", ["Français", "./languages/fr.json"]],
  ["es", ["Español", "./languages/es.json"]],
  ["nl", ["Nederlands", "./languages/nl.json"]],
  ["pl", ["Polski", "./languages/pl.json"]],
]);

let words = {};
let plural = new Intl.PluralRules("en");
export let language = "en";

/** The chosen language, else the first of the browser's that exists, else English. */
function preferred() {
  const wanted = [remembered("language"), ...navigator.languages];
  return wanted.map((tag) => tag?.slice(0, 2).toLowerCase()).find((tag) => LANGUAGES.has(tag)) ?? "en";
}

export async function load(chosen = preferred()) {
  const answer = await fetch(new URL(LANGUAGES.get(chosen)[1], import.meta.url));
  words = await answer.json();
  language = chosen;
  plural = new Intl.PluralRules(chosen);
  document.documentElement.lang = chosen;
  // Regional forms of numbers and dates stay: de-AT, en-GB.
  setLocale(navigator.languages.find((tag) => tag.toLowerCase().startsWith(chosen)) ?? chosen);
}

export async function choose(chosen) {
  remember("language", chosen);
  await load(chosen);
}

/** The words of `key`, with `{name}` replaced. A missing key shows itself. */
export function t(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

/** The form of `key` for this number: `key_one`, `key_few`, `key_many`, `key_other`. */
export function count(key, n, values = {}) {
  const form = `${key}_${plural.select(n)}`;
  return t(form in words ? form : `${key}_other`, { n, ...values });
}

/** "12 minutes", in the form that follows "for". */
export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return count("seconds", s);
  if (s < 5400) return count("minutes", Math.round(s / 60));
  if (s < 129600) return count("hours", Math.round(s / 3600));
  return count("days", Math.round(s / 86400));
}
