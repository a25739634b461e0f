// The login form, and the end of a session.
import { html, nothing } from "./vendor/lit-html/lit-html.js";
import { t } from "./i18n.js";
import { coded, icon } from "./parts.js";
import { remember } from "./state.js";
import { path } from "./stream.js";

let message = null;
let isBusy = false;

export function view(update, unlocked) {
  const send = async (event) => {
    event.preventDefault();
    const input = event.target.elements.token;
    isBusy = true;
    update();
    message = await logIn(input.value);
    isBusy = false;
    if (message) {
      update();
      input.select();
      input.focus();
    } else {
      unlocked();
    }
  };
  return html`<main class="login" id="main"><form class="card" @submit=${send}>
    <h1>${t("log_in")}</h1>
    <p class="quiet" id="token-hint">${coded(t("token_hint"))}</p>
    <label for="token">${t("token")}</label>
    <input id="token" name="token" type="password" autocomplete="current-password" required autofocus
      aria-describedby="token-hint login-problem" aria-invalid=${message ? "true" : "false"}>
    <p id="login-problem" class="problem" role="alert">${message ? html`${icon("error")} ${message}` : nothing}</p>
    <button class="strong" ?disabled=${isBusy}>${t("log_in")}</button>
  </form></main>`;
}

/** What went wrong, in words; `null` if the bridge took the token. */
async function logIn(token) {
  try {
    const answer = await fetch(path("api/session"), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token }),
    });
    if (answer.ok) return null;
    if (answer.status === 401) return t("wrong_token");
    if (answer.status === 429) return t("too_many_tokens", { seconds: answer.headers.get("Retry-After") ?? "60" });
    const body = await answer.json().catch(() => ({}));
    return body.error ?? t("login_failed", { status: answer.status });
  } catch {
    return t("bridge_unreachable");
  }
}

export async function logOut() {
  try {
    await fetch(path("api/session"), { method: "DELETE" });
  } finally {
    remember("has_session", null);
    location.reload();
  }
}
