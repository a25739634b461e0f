// Small pieces that several views use: values, ages, bars, icons, copying.
import { html, nothing, svg } from "./vendor/lit-html/lit-html.js";
import { age, KINDS, text } from "./format.js";
import { t } from "./i18n.js";
import { now } from "./state.js";

/** A number of the API with its unit. Without one: a dash that says why on tap. */
export function value(key, raw, kind, why = "no_source") {
  const known = raw ?? null;
  if (known === null) {
    return html`<button class="value none" data-key=${key} data-value="" data-why=${t(why)}
      aria-label=${`– ${t(why)}`}>–</button>`;
  }
  const [digits, unit] = KINDS[kind](known);
  return html`<span class="value" data-key=${key} data-value=${known}><b>${digits}</b>${
    unit ? html`<small>\u00a0${unit}</small>` : nothing}</span>`;
}

/** An age that counts up by itself. */
export function ageOf(time, freshFor = Infinity) {
  if (!time) return html`<span>–</span>`;
  return html`<time datetime=${time} data-age=${Date.parse(time)} data-fresh=${freshFor}></time>`;
}

/** Fills in all ages; called after each rendering and once a second. */
export function tickAges(root = document) {
  for (const element of root.querySelectorAll("[data-age]")) {
    const ms = now() - Number(element.dataset.age);
    const words = age(ms);
    if (element.textContent !== words) element.textContent = words;
    element.classList.toggle("late", ms > Number(element.dataset.fresh));
  }
}

/** A bar of 0 to 1. */
export function bar(share, isOld = false) {
  const width = Math.max(0, Math.min(1, share || 0)) * 100;
  return html`<svg class=${isOld ? "bar old" : "bar"} aria-hidden="true"><rect class="back" width="100%"
    height="100%" rx="3"></rect><rect class="fill" width=${`${width}%`} height="100%" rx="3"></rect></svg>`;
}

const SHAPES = {
  ok: svg`<circle cx="12" cy="12" r="10"/><path d="M7 12.5l3.5 3.5L17 9" class="mark"/>`,
  warning: svg`<path d="M12 2.5L23 21.5H1z"/><path d="M12 9v6M12 17.6v.6" class="mark"/>`,
  error: svg`<circle cx="12" cy="12" r="10"/><path d="M8 8l8 8M16 8l-8 8" class="mark"/>`,
  night: svg`<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z"/>`,
  waiting: svg`<circle cx="12" cy="12" r="10"/><path d="M12 6.5V12l3.5 2.5" class="mark"/>`,
  now: svg`<path d="M12 4a9 9 0 0 0-9 9 9 9 0 0 0 1.6 5.1h14.8A9 9 0 0 0 21 13a9 9 0 0 0-9-9zM12 13l4-4" class="line"/>`,
  inverters: svg`<path d="M3.5 4.5h7v6.5h-7zM13.5 4.5h7v6.5h-7zM3.5 14h7v6.5h-7zM13.5 14h7v6.5h-7z" class="line"/>`,
  diagnostics: svg`<path d="M2.5 12.5h4.5l2.8-7.5 4.4 14 2.8-6.5h4.5" class="line"/>`,
};

export function icon(name) {
  return html`<svg class=${`icon ${name}`} viewBox="0 0 24 24" aria-hidden="true">${SHAPES[name]}</svg>`;
}

/** Label, cause and remedy as the bridge words them, which is English. */
export function problemParts({ label, cause, remedy, isOurs }) {
  const lang = isOurs ? nothing : "en";
  return html`
    ${cause ? html`<p class="cause"><span lang=${lang}>${coded(sentence(cause))}</span>${
      label ? html` <code>${label}</code>` : nothing}</p>` : nothing}
    ${remedy ? html`<p class="remedy"><strong>${t("what_to_do")}</strong> <span lang=${lang}>${coded(sentence(remedy))}</span></p>` : nothing}`;
}

/** Text with `names` in backticks as code. */
export function coded(words) {
  return words.split("`").map((part, index) => (index % 2 ? html`<code>${part}</code>` : part));
}

function sentence(words) {
  const first = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/** Copies text, also on pages without https. Says so on the button. */
export async function copy(button, words) {
  let isCopied = false;
  try {
    await navigator.clipboard.writeText(words);
    isCopied = true;
  } catch {
    const area = document.createElement("textarea");
    area.value = words;
    area.className = "hidden";
    document.body.append(area);
    area.select();
    isCopied = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  hint(t(isCopied ? "copied" : "copy_failed"));
}

let hideHint;

/** A short message at the bottom of the page. */
export function hint(words) {
  let box = document.querySelector("#hint");
  if (!box) {
    box = document.createElement("div");
    box.id = "hint";
    box.setAttribute("role", "status");
    document.body.append(box);
  }
  box.textContent = words;
  box.classList.add("shown");
  clearTimeout(hideHint);
  hideHint = setTimeout(() => box.classList.remove("shown"), 5000);
}

document.addEventListener("click", (event) => {
  const why = event.target.closest?.("[data-why]")?.dataset.why;
  if (why) hint(why);
});

export { text };
