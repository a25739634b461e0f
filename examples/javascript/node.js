// Prints the plant live: node node.js ws://192.168.1.5:8080/api/ws
// The token, if one is set, is taken from the variable HOYMILES_TOKEN. Before Node 22: npm install ws.
import { followBridge } from "./hoymiles-stream.js";

const [url] = process.argv.slice(2);
if (!url) {
  console.error("usage: node node.js ws://<bridge>:8080/api/ws");
  process.exit(2);
}
const WebSocket = globalThis.WebSocket ?? (await import("ws")).default;

const follower = followBridge(url, {
  token: process.env.HOYMILES_TOKEN,
  WebSocket,
  onChange({ status, plant, inverters, figures }) {
    const up = figures.connectedSince ? Math.round((Date.now() - figures.connectedSince) / 1000) : 0;
    const last = figures.lastMessage?.toISOString() ?? "never";
    console.log(`${status}: ${plant?.pv_power ?? "–"} W, ${inverters.size} inverters; ${figures.messages} messages, ${figures.skipped} skipped, up ${up} s, last message ${last}`);
  },
});
process.once("SIGINT", () => follower.stop());
process.once("SIGTERM", () => follower.stop());
