// A real Chromium, and a page that fails the test on errors, policy violations and foreign requests.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import { Bridge } from "./mock.mjs";

const PATHS = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = PATHS.find((path) => path && existsSync(path));
assert.ok(executablePath, "these tests need Chromium: apt-get install chromium");

let browser;

export async function openBrowser() {
  browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
}

export async function closeBrowser() {
  await browser.close();
}

/** Messages that a browser writes for refused requests, which these tests cause on purpose. */
const EXPECTED = /Failed to load resource|WebSocket connection to|ERR_CONNECTION_REFUSED|net::ERR/;

/**
 * Runs `test({page, bridge, context})` with a mock bridge and one page that is open.
 * options: those of the bridge, and `hash`, `viewport`, `locale`, `colorScheme`
 */
export async function withPage(options, test) {
  const bridge = await new Bridge(options).listen();
  try {
    await openPage({ ...options, url: bridge.url }, ({ page, context }) => test({ page, bridge, context }));
  } finally {
    await bridge.close();
  }
}

/** Runs `test({page, context})` with one page that shows `options.url`. */
export async function openPage(options, test) {
  const context = await browser.newContext({
    viewport: options.viewport ?? { width: 1280, height: 800 },
    locale: options.locale ?? "en-GB",
    colorScheme: options.colorScheme ?? "light",
    permissions: ["clipboard-read", "clipboard-write"],
  });
  const page = await context.newPage();
  const problems = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !EXPECTED.test(message.text())) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.stack));
  page.on("request", (request) => {
    if (!request.url().startsWith("data:") && new URL(request.url()).origin !== new URL(options.url).origin) problems.push(`request to ${request.url()}`);
  });
  await page.addInitScript(() => {
    globalThis.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => globalThis.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  try {
    await page.goto(options.url + (options.hash ?? ""));
    await page.waitForSelector("main");
    await test({ page, context });
    assert.deepEqual(await page.evaluate(() => globalThis.violations), [], "violations of the content security policy");
    assert.deepEqual(problems, [], "errors in the console");
  } finally {
    await context.close();
  }
}

export async function waitForTransport(page, name, timeout = 12_000) {
  await page.waitForFunction((wanted) => document.documentElement.dataset.transport === wanted, name, { timeout });
}

/** The API's number of what the page shows under this key. */
export async function shown(page, key) {
  return page.getAttribute(`[data-key="${key}"]`, "data-value");
}

export async function waitForValue(page, key, value) {
  await page.waitForFunction(
    ([wantedKey, wanted]) => document.querySelector(`[data-key="${wantedKey}"]`)?.dataset.value === wanted,
    [key, String(value)],
  );
}
