// The page in the real binary: `HOYMILES_BRIDGE` names it. Its `demo` has a simulated plant.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { closeBrowser, openBrowser, openPage, shown, waitForTransport, waitForValue } from "./browser.mjs";
import { needsBinary, withDemo } from "./demo.mjs";

before(openBrowser);
after(closeBrowser);

test("the binary's page shows what its API says", needsBinary, () => withDemo({}, (url) => openPage({ url }, async ({ page }) => {
  const html = await (await fetch(url, { headers: { accept: "text/html" } })).text();
  assert.ok(html.includes('"update":{'), "the page carries its first values");
  await waitForTransport(page, "websocket");
  // A poll between the two answers would make them differ.
  let tries = 0;
  for (;;) {
    const plant = await (await fetch(`${url}api/plant`)).json();
    const value = await shown(page, "plant.total_production");
    if (value === String(plant.total_production) && value !== "null") break;
    tries += 1;
    assert.ok(tries < 60, `${value} is not ${plant.total_production}`);
    await page.waitForTimeout(500);
  }
  await page.evaluate(() => (location.hash = "#/inverters"));
  const [inverter] = await (await fetch(`${url}api/inverters`)).json();
  await waitForValue(page, `${inverter.serial_number}.total_production`, inverter.total_production);
  const names = await page.evaluate(() => performance.getEntriesByType("resource").map((entry) => new URL(entry.name).pathname).filter((path) => path.startsWith("/assets/")));
  for (const name of names) assert.match(name, /-[0-9a-f]{16}(\.\w+)?$/);
  const sizes = await page.evaluate(() => performance.getEntriesByType("resource").filter((entry) => entry.name.includes("/assets/")).reduce((sum, entry) => sum + entry.encodedBodySize, 0));
  console.log(`${sizes} bytes of files`);
  assert.ok(sizes <= 60_000, `${sizes} bytes`);
})));

test("with a token, the binary's page asks for it first", needsBinary, () => withDemo({ HOYMILES__HTTP__TOKEN: "a-token-for-tests" }, (url) => openPage({ url }, async ({ page }) => {
  await page.waitForSelector("#token");
  const html = await (await fetch(url, { headers: { accept: "text/html" } })).text();
  assert.ok(html.includes('"is_locked":true') && !html.includes("serial_number"));
  await page.fill("#token", "wrong");
  await page.keyboard.press("Enter");
  await page.waitForSelector("[role=alert]:has-text('This token is wrong.')");
  await page.fill("#token", "a-token-for-tests");
  await page.keyboard.press("Enter");
  await waitForTransport(page, "websocket");
  await page.reload();
  await waitForTransport(page, "websocket");
  await page.click("text=Log out");
  await page.waitForSelector("#token");
})));

test("the page is back within 3 s of the bridge's return", needsBinary, () => withDemo({}, (url, { start, kill }) => openPage({ url }, async ({ page }) => {
  await waitForTransport(page, "websocket");
  await kill();
  await waitForTransport(page, "none");
  await page.waitForSelector("text=no connection to the bridge since");
  await start();
  await waitForTransport(page, "websocket", 3000);
  await page.waitForSelector("text=All well.");
})));
