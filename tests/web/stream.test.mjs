// How the page gets its data: WebSocket, event stream, polling, and back.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { closeBrowser, openBrowser, shown, waitForTransport, waitForValue, withPage } from "./browser.mjs";

before(openBrowser);
after(closeBrowser);

test("shows the API's numbers, and follows updates", () => withPage({}, async ({ page, bridge }) => {
  await waitForTransport(page, "websocket");
  const equal = async () => {
    const plant = bridge.plant.plant();
    for (const key of ["pv_power", "today_production", "total_production"]) await waitForValue(page, `plant.${key}`, plant[key]);
  };
  await equal();
  bridge.poll();
  await equal();
  await page.click("text=Inverters");
  for (const inverter of bridge.plant.inverters()) {
    for (const key of ["pv_power", "today_production", "grid_voltage"]) {
      assert.equal(await shown(page, `${inverter.serial_number}.${key}`), String(inverter[key]));
    }
    for (const port of inverter.ports) {
      assert.equal(await shown(page, `${inverter.serial_number}.${port.port_number}.pv_power`), String(port.pv_power));
    }
  }
}));

test("falls back to the event stream, and returns", () => withPage({ without: ["ws"] }, async ({ page, bridge }) => {
  await waitForTransport(page, "events");
  assert.match(await page.textContent(".light"), /event stream/);
  bridge.poll();
  await waitForValue(page, "plant.pv_power", bridge.plant.plant().pv_power);
  bridge.without.clear();
  await waitForTransport(page, "websocket");
}));

test("falls back to polling, with ETag, and returns", () => withPage({ without: ["ws", "events"] }, async ({ page, bridge }) => {
  await waitForTransport(page, "polling");
  await waitForValue(page, "plant.pv_power", bridge.plant.plant().pv_power);
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await page.waitForTimeout(1000);
  assert.ok(bridge.requests.filter((request) => request === "GET /api/inverters").length >= 1);
  bridge.without.clear();
  await page.evaluate(() => dispatchEvent(new Event("online")));
  await waitForTransport(page, "websocket");
}));

test("asks with the ETag it got", () => withPage({ without: ["ws", "events"] }, async ({ page, bridge }) => {
  await waitForTransport(page, "polling");
  await page.waitForFunction(() => true);
  // Each wake-up polls at once, instead of in ten seconds.
  await assert.doesNotReject(async () => {
    for (let tries = 0; !bridge.notModified; tries += 1) {
      assert.ok(tries < 20, "no request with If-None-Match");
      await page.waitForTimeout(250);
      await page.evaluate(() => dispatchEvent(new Event("online")));
    }
  });
}));

test("does not wait for a WebSocket that stays silent", () => withPage({ without: ["silent-ws"] }, async ({ page }) => {
  const begin = Date.now();
  await waitForTransport(page, "events", 6000);
  assert.ok(Date.now() - begin < 5000);
}));

test("goes from WebSocket to events to polling as they are blocked", () => withPage({}, async ({ page, bridge }) => {
  await waitForTransport(page, "websocket");
  bridge.block("ws");
  await waitForTransport(page, "events", 3000);
  bridge.block("ws", "events");
  await waitForTransport(page, "polling", 3000);
  bridge.block();
  await waitForTransport(page, "websocket");
}));

test("says that the bridge is gone, and is back within 3 s of its return", () => withPage({}, async ({ page, bridge }) => {
  await waitForTransport(page, "websocket");
  bridge.block("all");
  await waitForTransport(page, "none");
  await page.waitForSelector("text=no connection to the bridge since");
  await page.waitForTimeout(4000);
  bridge.block();
  await waitForTransport(page, "websocket", 3000);
  await page.waitForSelector("text=All well.");
}));

test("resumes after the last message it has seen", () => withPage({}, async ({ page, bridge }) => {
  await waitForTransport(page, "websocket");
  bridge.poll();
  const asked = new Promise((resolve) => bridge.server.once("upgrade", (request) => resolve(request.url)));
  const { seq } = bridge;
  await waitForValue(page, "plant.pv_power", bridge.plant.plant().pv_power);
  for (const client of [...bridge.clients]) client.end(1001);
  assert.equal(await asked, `/api/ws?since=${seq}`);
  await waitForTransport(page, "websocket");
}));

test("loads the page of a newer bridge", () => withPage({}, async ({ page, bridge }) => {
  await waitForTransport(page, "websocket");
  await page.evaluate(() => {
    document.querySelector("meta[name=version]").content = "2.0.0";
    globalThis.isOldPage = true;
  });
  bridge.version = "2.1.0";
  for (const client of [...bridge.clients]) client.end(1001);
  await page.waitForFunction(() => globalThis.isOldPage === undefined);
}));

test("works below a prefix", () => withPage({ prefix: "/hoymiles" }, async ({ page, bridge }) => {
  await waitForTransport(page, "websocket");
  await waitForValue(page, "plant.pv_power", bridge.plant.plant().pv_power);
  assert.ok(!bridge.requests.some((request) => !/^GET \/(|health|ready|assets\/.*|api\/.*)$/.test(request)), bridge.requests.join());
}));

test("a status message changes the sentence at once", () => withPage({}, async ({ page, bridge }) => {
  await page.waitForSelector("text=All well.");
  bridge.setFaults("dtu");
  await page.waitForSelector("h1:has-text('DTU roof has not answered for 12 minutes.')");
  assert.match(await page.textContent(".headline"), /Check its power and network; restart the DTU\./);
  bridge.setFaults();
  await page.waitForSelector("h1:has-text('All well.')");
}));

test("memory stays flat over many updates", () => withPage({}, async ({ page, bridge, context }) => {
  await waitForTransport(page, "websocket");
  const session = await context.newCDPSession(page);
  const used = async () => {
    await session.send("HeapProfiler.collectGarbage");
    const { usedSize } = await session.send("Runtime.getHeapUsage");
    const { nodes } = await session.send("Memory.getDOMCounters");
    return { usedSize, nodes };
  };
  const many = async () => {
    for (let round = 0; round < 200; round += 1) {
      bridge.poll();
      if (round % 20 === 0) await page.waitForTimeout(20);
    }
    await waitForValue(page, "plant.today_production", bridge.plant.plant().today_production);
  };
  // The first rounds fill the bounded lists.
  for (let round = 0; round < 4; round += 1) await many();
  const begin = await used();
  for (let round = 0; round < 4; round += 1) await many();
  const end = await used();
  assert.ok(end.usedSize < begin.usedSize + 400_000, `${begin.usedSize} to ${end.usedSize} bytes`);
  assert.ok(end.nodes <= begin.nodes + 50, `${begin.nodes} to ${end.nodes} nodes`);
}));

test("a large plant renders within a frame budget, without layout shifts", () => withPage({ dtus: 50, inverters: 60, ports: 99, hash: "#/inverters" }, async ({ page, bridge }) => {
  await waitForTransport(page, "websocket");
  await page.waitForSelector("tbody tr");
  const slowest = page.evaluate(() => new Promise((resolve) => {
    let shift = 0;
    let longest = 0;
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => (shift += entry.value))).observe({ type: "layout-shift" });
    new PerformanceObserver((list) => list.getEntries().forEach((entry) => (longest = Math.max(longest, entry.duration)))).observe({ type: "longtask" });
    setTimeout(() => resolve({ shift, longest }), 2500);
  }));
  for (let round = 0; round < 5; round += 1) {
    bridge.poll();
    await page.waitForTimeout(300);
  }
  const { shift, longest } = await slowest;
  assert.ok(shift < 0.01, `layout shift ${shift}`);
  assert.ok(longest < 400, `longest task ${longest} ms`);
}));
