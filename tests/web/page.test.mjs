// What the page looks like and how it is used: login, languages, sizes, keyboard, contrast.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createRequire } from "node:module";
import { closeBrowser, openBrowser, shown, waitForTransport, withPage } from "./browser.mjs";

before(openBrowser);
after(closeBrowser);

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const PHONE = { width: 360, height: 740 };
const FAULTS = ["dtu", "warning", "alarm", "shade", "target", "meter"];
const VIEWS = ["now", "inverters", "inverters/table", "diagnostics"];

async function open(page, view) {
  await page.evaluate((hash) => (location.hash = hash), `#/${view}`);
  await page.waitForSelector(`main.${view.split("/")[0]}`);
}

test("asks for the token first, and says what is wrong with one", () => withPage({ token: "secret" }, async ({ page, bridge }) => {
  await page.waitForSelector("#token");
  assert.ok(await page.evaluate(() => document.activeElement.id === "token"));
  await page.fill("#token", "wrong");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=alert]:has-text('This token is wrong.')");
  bridge.wrongTokens = 10;
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=alert]:has-text('Try again in 42 seconds.')");
  bridge.wrongTokens = 0;
  await page.fill("#token", "secret");
  await page.keyboard.press("Enter");
  await waitForTransport(page, "websocket");
  await page.waitForSelector("text=All well.");
  await page.click("text=Log out");
  await page.waitForSelector("#token");
}));

test("asks again when the session has ended", () => withPage({ token: "secret" }, async ({ page, bridge }) => {
  await page.fill("#token", "secret");
  await page.keyboard.press("Enter");
  await waitForTransport(page, "websocket");
  bridge.sessions.clear();
  for (const client of [...bridge.clients]) client.end(4401);
  await page.waitForSelector("#token");
}));

test("speaks the browser's language, and switches", () => withPage({ locale: "de-DE" }, async ({ page }) => {
  await page.waitForSelector("h1:has-text('Alles in Ordnung.')");
  assert.equal(await page.getAttribute("html", "lang"), "de");
  assert.match(await page.textContent("[data-key='plant.pv_power']"), /^\d,\d\d\s?kW$/);
  await page.selectOption("footer select >> nth=0", "en");
  await page.waitForSelector("h1:has-text('All well.')");
  await page.reload();
  await page.waitForSelector("h1:has-text('All well.')");
}));

test("keeps the chosen colours", () => withPage({}, async ({ page }) => {
  await page.selectOption("footer select >> nth=1", "dark");
  await page.reload();
  await page.waitForSelector("main");
  assert.equal(await page.getAttribute("html", "data-theme"), "dark");
  await page.selectOption("footer select >> nth=1", "auto");
  assert.equal(await page.getAttribute("html", "data-theme"), null);
}));

test("at night it says so, without alarm", () => withPage({ night: true }, async ({ page }) => {
  await page.waitForSelector(".headline.night h1:has-text('Asleep since')");
  const sentence = await page.textContent("h1");
  assert.match(sentence, /Asleep since \d\d:\d\d\. 3\d\.\d\skWh today\. Production starts about \d\d:\d\d\./);
  assert.equal(await shown(page, "plant.pv_power"), "0");
}));

test("what has no source is a dash that says why", () => withPage({ night: true, dtus: 1, inverters: 0 }, async ({ page }) => {
  await page.waitForSelector("[data-key='plant.today_production']");
  assert.equal(await shown(page, "plant.today_production"), "");
  assert.equal(await page.textContent("[data-key='plant.today_production']"), "–");
  await page.click("[data-key='plant.today_production']");
  await page.waitForSelector("#hint.shown:has-text('does not send')");
}));

test("problems come with cause and remedy", () => withPage({ faults: FAULTS }, async ({ page }) => {
  await page.waitForSelector("h1:has-text('DTU roof has not answered')");
  await page.click("text=3 more problems");
  for (const words of ["Home Assistant receives no updates.", "reports: grid over-voltage", "stop other programs", "timed_out"]) {
    assert.match((await page.textContent(".headline")).toLowerCase(), new RegExp(words.toLowerCase()));
  }
}));

for (const [name, options] of Object.entries({ faults: { faults: FAULTS }, large: { dtus: 50, inverters: 60, ports: 99 }, german: { locale: "de-DE", faults: FAULTS } })) {
  test(`no horizontal scrolling at 360 px, also with text of 200 %: ${name}`, () => withPage({ ...options, viewport: PHONE }, async ({ page }) => {
    await waitForTransport(page, "websocket");
    for (const view of VIEWS) {
      await open(page, view);
      for (const size of ["", "200%"]) {
        await page.evaluate((one) => (document.documentElement.style.fontSize = one), size);
        await page.waitForTimeout(60);
        const { width, wide } = await page.evaluate(() => ({
          width: document.documentElement.scrollWidth - document.documentElement.clientWidth,
          wide: [...document.querySelectorAll("main *")].filter((one) => !one.closest(".scroll") && one.getBoundingClientRect().right > innerWidth + 1)
            .slice(0, 3).map((one) => `${one.tagName}.${one.className.baseVal ?? one.className} ${one.textContent.slice(0, 40)}`),
        }));
        assert.ok(width <= 0, `${view} ${size}: ${width} px too wide: ${wide.join("; ")}`);
      }
    }
  }));
}

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing serious: ${colorScheme}`, () => withPage({ faults: FAULTS, colorScheme, viewport: PHONE }, async ({ page, context }) => {
    await waitForTransport(page, "websocket");
    for (const view of VIEWS) {
      await open(page, view);
      await findNothing(page, context, `${view} ${colorScheme}`);
    }
  }));
  test(`axe finds nothing serious in the login and at night: ${colorScheme}`, async () => {
    await withPage({ token: "x", colorScheme }, ({ page, context }) => page.waitForSelector("#token").then(() => findNothing(page, context, "login")));
    await withPage({ night: true, colorScheme }, ({ page, context }) => waitForTransport(page, "websocket").then(() => findNothing(page, context, "night")));
    await withPage({ dtus: 50, inverters: 60, ports: 99, colorScheme, hash: "#/inverters" }, ({ page, context }) => waitForTransport(page, "websocket").then(() => findNothing(page, context, "large")));
  });
}

async function findNothing(page, context, what) {
  // Evaluated by the debugger, which the page's policy does not concern.
  const { readFileSync } = await import("node:fs");
  await page.evaluate(readFileSync(AXE, "utf8"));
  const found = await page.evaluate(() => globalThis.axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }));
  const serious = found.violations.filter((one) => ["serious", "critical", "moderate"].includes(one.impact));
  const words = serious.flatMap((one) => one.nodes.slice(0, 3).map((node) => `${one.id}: ${node.html.slice(0, 160)} ${node.failureSummary.slice(0, 200)}`));
  assert.deepEqual(words, [], what);
}

test("works with the keyboard alone", () => withPage({ faults: ["dtu"] }, async ({ page }) => {
  await waitForTransport(page, "websocket");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.className), "skip");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "main");
  assert.equal(await page.evaluate(() => location.hash), "");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  assert.equal(await page.evaluate(() => document.activeElement.tagName), "SUMMARY");
  await page.focus("nav a >> nth=1");
  await page.keyboard.press("Enter");
  await page.waitForSelector("main.inverters");
  assert.ok(await page.evaluate(() => {
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
    return outlineStyle === "solid" && parseFloat(outlineWidth) >= 2;
  }), "the focus is visible");
}));

test("Back, and addresses that do not exist", () => withPage({ hash: "#/inverters" }, async ({ page }) => {
  await page.waitForSelector("main.inverters");
  await page.click("nav a >> nth=2");
  await page.waitForSelector("main.diagnostics");
  await page.goBack();
  await page.waitForSelector("main.inverters");
  await page.evaluate(() => (location.hash = "#/nowhere"));
  await page.waitForSelector("main.now");
  const hrefs = await page.$$eval("a[href^='#/']", (links) => links.map((link) => link.getAttribute("href")));
  for (const href of new Set(hrefs)) {
    await page.evaluate((hash) => (location.hash = hash), href);
    await page.waitForSelector(`main.${href.slice(2)}`);
  }
}));

test("filters, sorts, and copies a table for spreadsheets", () => withPage({ hash: "#/inverters", locale: "de-DE" }, async ({ page, bridge }) => {
  await page.waitForSelector(".inverter");
  await page.fill("input[type=search]", "garage");
  const garage = bridge.plant.inverters("garage");
  await page.waitForFunction((n) => document.querySelectorAll(".inverter").length === n, garage.length);
  await page.selectOption(".tools select", "power");
  await page.waitForTimeout(50);
  const order = await page.$$eval(".inverter .inverter-power > [data-key]", (all) => all.map((one) => Number(one.dataset.value)));
  assert.deepEqual(order, order.slice().sort((a, b) => b - a));
  await page.click("text=Als Tabelle zeigen");
  await page.click("text=Kopieren");
  await page.waitForSelector("#hint.shown:has-text('Kopiert.')");
  const text = await page.evaluate(() => navigator.clipboard.readText());
  const lines = text.split("\n").map((line) => line.split("\t"));
  assert.equal(lines.length, 1 + garage.flatMap((one) => one.ports).length);
  assert.deepEqual(lines[0].slice(0, 4), ["DTU", "Seriennummer", "Eingang", "Leistung (W)"]);
  const port = garage.flatMap((one) => one.ports).find((one) => one.serial_number === lines[1][1] && String(one.port_number) === lines[1][2]);
  assert.equal(lines[1][3], port.pv_power.toFixed(1).replace(".", ","));
}));

test("the log runs live, filters by level and pauses", () => withPage({ hash: "#/diagnostics" }, async ({ page, bridge }) => {
  await page.waitForSelector(".log li");
  bridge.log("ERROR", "something <b>broke</b>");
  await page.waitForSelector(".log li.error:has-text('something <b>broke</b>')");
  await page.selectOption(".tools select", "error");
  await page.waitForFunction(() => document.querySelectorAll(".log li").length === 1);
  await page.click("text=Pause");
  bridge.log("ERROR", "while paused");
  await page.waitForTimeout(2500);
  assert.equal(await page.$$eval(".log li", (all) => all.length), 1);
  await page.click("text=Continue");
  await page.waitForSelector(".log li:has-text('while paused')");
  for (let index = 0; index < 300; index += 1) bridge.log("ERROR", `line ${index}`);
  await page.waitForSelector(".log li:has-text('line 299')");
  assert.equal(await page.$$eval(".log li", (all) => all.length), 200);
  await open(page, "now");
  await page.waitForTimeout(100);
  const before = bridge.requests.filter((one) => one === "GET /api/log").length;
  await page.waitForTimeout(2500);
  assert.equal(bridge.requests.filter((one) => one === "GET /api/log").length, before, "the log is not read elsewhere");
}));

test("texts for an issue hold no address and no serial number of an inverter", () => withPage({ hash: "#/diagnostics", faults: FAULTS }, async ({ page, bridge }) => {
  await waitForTransport(page, "websocket");
  await page.click("text=Copy text for an issue");
  await page.waitForSelector("#hint.shown");
  const text = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(text, /hoymiles-bridge 2\.0\.0/);
  assert.match(text, /DTU 1: error, modbus/);
  assert.doesNotMatch(text, /192\.168|roof|Home Assistant/);
  for (const inverter of bridge.plant.inverters()) assert.ok(!text.includes(inverter.serial_number));
}));

test("the age counts up, and old values fade", () => withPage({}, async ({ page, bridge }) => {
  await waitForTransport(page, "websocket");
  const age = () => page.textContent(".light .data-age");
  const first = await age();
  await page.waitForFunction((old) => document.querySelector(".light .data-age").textContent !== old, first);
  for (const name of bridge.plant.names) bridge.plant.answered.set(name, Date.now() - 400_000);
  bridge.broadcast("update", { dtu: null, ...bridge.plant.data() });
  await page.waitForSelector(".light .late");
  await open(page, "inverters");
  await page.waitForSelector(".inverter.stale");
}));

test("the table below the curve has its points", () => withPage({}, async ({ page, bridge }) => {
  await page.waitForSelector("#plot canvas");
  await page.click("text=Show as table");
  await page.waitForSelector(".curve tbody tr");
  const rows = await page.$$eval(".curve tbody tr", (all) => all.length);
  assert.equal(rows, bridge.plant.day().points.filter(([, watts]) => watts !== null).length);
}));

test("prints Now on one page", () => withPage({}, async ({ page }) => {
  await page.waitForSelector("#plot canvas");
  const pdf = String(await page.pdf({ format: "A4" }));
  assert.equal(pdf.match(/\/Type\s*\/Page\b/g).length, 1);
}));
