// The real binary, which `HOYMILES_BRIDGE` names, with the simulated plant of `demo`.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";

const binary = process.env.HOYMILES_BRIDGE;
assert.ok(binary || !process.env.CI, "in CI, HOYMILES_BRIDGE must name the binary");

/** Options of tests that need the binary. */
export const needsBinary = { skip: binary ? false : "HOYMILES_BRIDGE is not set" };

/** A port that was free a moment ago. */
async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs `run(url, {start, kill})` with a running bridge. */
export async function withDemo(environment, run) {
  const folder = mkdtempSync(`${tmpdir()}/dashboard-`);
  const port = await freePort();
  const env = { ...process.env, HOYMILES__HTTP__LISTEN: `127.0.0.1:${port}`, HOYMILES__STATE_DIR: folder, ...environment };
  const url = `http://127.0.0.1:${port}/`;
  let child = null;
  const start = async () => {
    child = spawn(binary, ["demo"], { env, cwd: folder, stdio: "ignore" });
    for (let tries = 0; ; tries += 1) {
      const answer = await fetch(`${url}ready`).catch(() => null);
      if (answer?.ok) break;
      assert.ok(tries < 200, "the bridge did not start");
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const kill = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  };
  try {
    await start();
    await run(url, { start, kill });
  } finally {
    await kill();
    rmSync(folder, { recursive: true, force: true });
  }
}
