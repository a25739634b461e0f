// A page that shows the plant live. Serve this folder, open index.html?bridge=http://192.168.1.5:8080,
// and list the page's origin under `allowed_origins` in `[http]` of the bridge's configuration.
import { followBridge } from "./hoymiles-stream.js";

const bridge = new URLSearchParams(location.search).get("bridge") ?? location.origin;
const show = (id, text) => (document.getElementById(id).textContent = text);
let newest = null;

function render() {
  if (!newest) return;
  const { status, plant, inverters, figures } = newest;
  const ago = (time) => (time ? `${Math.round((Date.now() - time) / 1000)} s` : "–");
  document.documentElement.dataset.status = status;
  show("status", status);
  show("power", plant?.pv_power === null || !plant ? "–" : `${Math.round(plant.pv_power)} W`);
  show("inverters", `${inverters.size}`);
  show("figures", `${figures.messages} messages, ${figures.connections} connections, up ${ago(figures.connectedSince)}, last message ${ago(figures.lastMessage)} ago`);
}

followBridge(`${bridge.replace(/^http/, "ws").replace(/\/$/, "")}/api/ws`, {
  token: sessionStorage.getItem("token"),
  onChange(state) {
    newest = state;
    render();
  },
});
setInterval(render, 1000);
