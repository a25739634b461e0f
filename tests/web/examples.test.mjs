// The clients in examples/ against the real binary: values, figures, and the return after a restart.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { closeBrowser, openBrowser, openPage } from "./browser.mjs";
import { needsBinary, withDemo } from "./demo.mjs";

const EXAMPLES = new URL("../../examples/", import.meta.url);
const TOKEN = "a-token-for-tests";
const TYPES = { html: "text/html", js: "text/javascript" };

before(openBrowser);
after(closeBrowser);

/** The lines of a program, as they come; fails the test if the next one takes too long. */
async function withProgram(command, environment, run) {
  const child = spawn(command[0], command.slice(1), { env: { ...process.env, ...environment }, stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const until = async (pattern, seconds = 20) => {
    const late = setTimeout(() => child.kill("SIGKILL"), seconds * 1000);
    for (;;) {
      const { value, done } = await lines.next();
      assert.ok(!done, `no line like ${pattern}`);
      const found = pattern.exec(value);
      if (found) {
        clearTimeout(late);
        return found;
      }
    }
  };
  try {
    await run(until, child);
  } finally {
    const ended = child.exitCode === null && child.signalCode === null ? new Promise((resolve) => child.once("exit", resolve)) : null;
    child.kill("SIGKILL");
    await ended;
  }
}

const stream = (url) => `${url.replace("http", "ws")}api/ws`;

for (const [name, command, connected] of [
  ["Node", [process.execPath, fileURLToPath(new URL("javascript/node.js", EXAMPLES))], "connected"],
  ["Python", [process.env.PYTHON ?? "/usr/bin/python3", fileURLToPath(new URL("python/hoymiles_stream.py", EXAMPLES))], "snapshot"],
]) {
  test(`the ${name} client follows the plant through a restart`, needsBinary, () => withDemo({ HOYMILES__HTTP__TOKEN: TOKEN }, async (url, { start, kill }) => {
    // Node finds `ws` where the tests have it.
    const environment = { HOYMILES_TOKEN: TOKEN, NODE_OPTIONS: `--import ${new URL("ws-for-examples.mjs", import.meta.url)}` };
    await withProgram([...command, stream(url)], environment, async (until) => {
      const [, inverters] = await until(new RegExp(`^${connected}: [0-9.]+ W, ([1-9][0-9]*) inverters; [2-9] messages, 0 skipped, up [0-9]+ s, last message .*:`));
      const listed = await (await fetch(`${url}api/inverters`, { headers: { authorization: `Bearer ${TOKEN}` } })).json();
      assert.equal(Number(inverters), listed.length);
      await kill();
      await until(/^(waiting|error)/);
      await start();
      await until(new RegExp(`^${connected}: [0-9.]+ W, .* [1-9][0-9]* messages`));
    });
  }));
}

test("the Node client says that its token is wrong", needsBinary, () => withDemo({ HOYMILES__HTTP__TOKEN: TOKEN }, async (url) => {
  const environment = { HOYMILES_TOKEN: "wrong", NODE_OPTIONS: `--import ${new URL("ws-for-examples.mjs", import.meta.url)}` };
  await withProgram([process.execPath, fileURLToPath(new URL("javascript/node.js", EXAMPLES)), stream(url)], environment, async (until, child) => {
    await until(/^refused: – W/);
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
  });
}));

/** Serves the examples, `pages` by path, and React as the module `/react.js`. */
async function withPages(pages, run) {
  const server = createServer((request, response) => {
    const path = new URL(request.url, "http://x").pathname.slice(1) || "index.html";
    let body = pages[path];
    try {
      body ??= readFileSync(new URL(`javascript/${path}`, EXAMPLES));
    } catch {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": TYPES[path.split(".").pop()] ?? "text/plain" }).end(body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await run(`http://127.0.0.1:${server.address().port}/`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

const allowing = (pages) => ({ HOYMILES__HTTP__ALLOWED_ORIGINS: pages.slice(0, -1) });

test("the page follows the plant through a restart", needsBinary, () => withPages({}, (pages) => withDemo(allowing(pages), (url, { start, kill }) => openPage({ url: `${pages}?bridge=${url}` }, async ({ page }) => {
  await page.waitForFunction(() => /^[0-9]+ W$/.test(document.getElementById("power").textContent));
  await page.waitForSelector("text=/[1-9][0-9]* messages, 1 connections, up [0-9]+ s, last message [0-9]+ s ago/");
  const listed = await (await fetch(`${url}api/inverters`)).json();
  assert.equal(await page.textContent("#inverters"), String(listed.length));
  await kill();
  await page.waitForSelector("html:not([data-status=connected])");
  await start();
  await page.waitForSelector("text=/, 2 connections, /");
  await page.waitForSelector("html[data-status=connected]");
}))));

const REACT = `
const { useEffect, useState } = globalThis.React;
export { useEffect, useState };`;
const HOOK_PAGE = `<!doctype html><html><head><title>Hook</title><link rel="icon" href="data:,">
<script src="/umd/react.js"></script><script src="/umd/react-dom.js"></script>
<script type="importmap">{"imports": {"react": "/react.js"}}</script>
<script type="module">
import { useHoymiles } from "/use-hoymiles.js";
const { createElement, StrictMode, useState } = React;
function Power() {
  const bridge = useHoymiles(new URLSearchParams(location.search).get("stream"));
  return createElement("p", { id: "power" }, \`\${bridge?.plant?.pv_power ?? "–"} W, \${bridge?.status}, \${bridge?.figures.connections}\`);
}
function App() {
  const [isShown, show] = useState(true);
  return createElement("main", null, isShown && createElement(Power), createElement("button", { onClick: () => show(false) }, "Hide"));
}
ReactDOM.createRoot(document.getElementById("root")).render(createElement(StrictMode, null, createElement(App)));
</script></head><body><div id="root"></div></body></html>`;

test("the React hook shows the plant and ends with its component", needsBinary, () => {
  const files = {
    "hook.html": HOOK_PAGE,
    "react.js": REACT,
    "umd/react.js": readFileSync(new URL("node_modules/react/umd/react.production.min.js", import.meta.url)),
    "umd/react-dom.js": readFileSync(new URL("node_modules/react-dom/umd/react-dom.production.min.js", import.meta.url)),
  };
  return withPages(files, (pages) => withDemo(allowing(pages), (url) => openPage({ url: `${pages}hook.html?stream=${stream(url)}` }, async ({ page }) => {
    await page.waitForSelector("text=/^[0-9.]+ W, connected, 1$/");
    const clients = async () => (await (await fetch(`${url}api/stream`)).json()).length;
    assert.equal(await clients(), 1);
    await page.click("text=Hide");
    for (let tries = 0; (await clients()) > 0; tries += 1) {
      assert.ok(tries < 50, "the connection stays open");
      await page.waitForTimeout(100);
    }
  })));
});
