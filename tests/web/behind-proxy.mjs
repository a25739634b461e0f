// Logs in to the dashboard behind a proxy and follows it live; tests/proxies runs this with an address.
import { chromium } from "playwright-core";

const [url, token] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", `--host-resolver-rules=MAP ${new URL(url).hostname} 127.0.0.1`],
});
try {
  const page = await browser.newPage({ ignoreHTTPSErrors: true });
  const refused = [];
  page.on("response", (response) => {
    if (response.status() >= 400) refused.push(`${response.status()} ${response.url()}`);
  });
  const isLive = () => page.waitForFunction(() => document.documentElement.dataset.transport === "websocket", null, { timeout: 10_000 });
  await page.goto(url);
  await page.fill("#token", token);
  await page.keyboard.press("Enter");
  await isLive();
  // With the cookie.
  await page.reload();
  await isLive();
  await page.waitForSelector("[data-key='plant.pv_power'][data-value]");
  if (refused.length > 0) throw new Error(refused.join(", "));
} finally {
  await browser.close();
}
