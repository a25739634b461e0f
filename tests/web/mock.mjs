// A bridge for developing the page: serves web/ with the strict policy and speaks the stream.
//
// node mock.mjs [--port 8090] [--fault dtu,warning,alarm,shade,target,meter] [--night] [--token secret]
//               [--without ws,events] [--dtus 50 --inverters 60 --ports 99] [--interval 5]
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";
import { Plant, time } from "./plant.mjs";

const WEB = join(dirname(fileURLToPath(import.meta.url)), "../../web");
const POLICY = "default-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
  + "base-uri 'none'; frame-ancestors 'self'; form-action 'self'";
const TYPES = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
  ".json": "application/json", ".svg": "image/svg+xml", ".png": "image/png",
};

/** options: those of the plant, and token, without (a set: ws, events, all), version, prefix */
export class Bridge {
  constructor(options = {}) {
    this.plant = new Plant(options);
    this.token = options.token ?? null;
    this.without = new Set(options.without ?? []);
    this.version = options.version ?? "2.0.0";
    this.prefix = options.prefix ?? "";
    this.sessions = new Set();
    this.wrongTokens = 0;
    this.clients = new Set();
    this.seq = options.seq ?? Date.now();
    this.requests = [];
    this.upgraded = new Set();
    this.lines = [];
    for (let index = 0; index < 40; index += 1) this.log(index % 9 === 4 ? "WARN" : "INFO", `[API Request] GET /api/inverters from 192.168.1.${index}`);
  }

  async listen(port = 0) {
    this.server = createServer((request, response) => this.answer(request, response).catch(() => response.destroy()));
    this.sockets = new WebSocketServer({ noServer: true });
    this.server.on("upgrade", (request, socket, head) => {
      socket.on("error", () => {});
      this.upgraded.add(socket);
      if (this.without.has("ws") || this.without.has("all")) return socket.destroy();
      // A proxy that accepts and stays silent.
      if (this.without.has("silent-ws")) return undefined;
      return this.sockets.handleUpgrade(request, socket, head, (client) => this.greet(client, request));
    });
    await new Promise((resolve) => this.server.listen(port, "127.0.0.1", resolve));
    this.port = this.server.address().port;
    this.url = `http://127.0.0.1:${this.port}${this.prefix}/`;
    return this;
  }

  async close() {
    for (const socket of this.upgraded) socket.destroy();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  isAllowed(request) {
    const session = /hoymiles_session=(\w+)/.exec(request.headers.cookie ?? "")?.[1];
    return !this.token || this.sessions.has(session);
  }

  greet(socket, request) {
    if (!this.isAllowed(request)) return setTimeout(() => socket.close(4401, "token"), 5000);
    const send = (text) => socket.send(text);
    const client = { send, end: (code) => (code === 1001 ? socket.terminate() : socket.close(code)), kind: "ws" };
    this.welcome(client, new URL(request.url, this.url).searchParams.get("since"));
    socket.on("message", (bytes) => {
      const message = JSON.parse(bytes);
      if (message.type === "ping") send(this.message("pong", { id: message.id }));
    });
    return socket.on("close", () => this.clients.delete(client));
  }

  welcome(client, since) {
    const resumed = since !== null && Number(since) === this.seq;
    client.send(this.message("hello", { version: this.version, protocol: 1, heartbeat: 25, resumed }));
    if (!resumed) client.send(this.message("snapshot", { ...this.plant.data(), targets: this.plant.targets() }));
    this.clients.add(client);
  }

  message(type, data) {
    return JSON.stringify({ type, seq: this.seq, time: time(this.plant.now()), data });
  }

  broadcast(type, data) {
    this.seq += 1;
    for (const client of this.clients) client.send(this.message(type, data));
  }

  /** One poll of each DTU. */
  poll() {
    this.plant.polls += 1;
    for (const name of this.plant.names) {
      this.plant.answer(name);
      this.broadcast("update", { dtu: name, ...this.plant.data(name) });
      this.log("INFO", `DTU ${name}: ${this.plant.inverters(name).length} inverters`);
    }
  }

  /** Changes the faults, and says so. */
  setFaults(...faults) {
    this.plant.faults = new Set(faults);
    this.broadcast("status", { dtus: this.plant.dtus(), targets: this.plant.targets() });
    this.poll();
  }

  /** Cuts off all streams, and refuses those kinds from now on. */
  block(...kinds) {
    this.without = new Set(kinds);
    for (const client of [...this.clients]) {
      if (kinds.includes("all") || kinds.includes(client.kind)) client.end(1001);
    }
  }

  log(level, message) {
    const seq = (this.lines.at(-1)?.seq ?? 0) + 1;
    this.lines.push({ seq, time: time(Date.now()), level, message });
    this.lines = this.lines.slice(-500);
  }

  async answer(request, response) {
    const url = new URL(request.url, this.url);
    if (this.prefix && !url.pathname.startsWith(`${this.prefix}/`)) return this.json(request, response, 404, { error: "outside of the prefix" });
    const path = url.pathname.slice(this.prefix.length);
    this.requests.push(`${request.method} ${path}`);
    if (this.without.has("all") && path !== "/" && !path.startsWith("/assets/")) return response.destroy();
    if (path === "/") return this.file(response, "index.html");
    if (path.startsWith("/assets/")) return this.file(response, path.slice("/assets/".length));
    if (path === "/api/session") return this.session(request, response);
    if (path.startsWith("/api/") && !this.isAllowed(request)) return this.json(request, response, 401, { error: "this needs a token" });
    if (path === "/api/events") return this.events(request, response, url);
    const { plant } = this;
    const answers = {
      "/health": () => ({ ...plant.health(), version: this.version }), "/ready": () => "OK", "/stats": () => plant.stats(),
      "/api/plant": () => plant.plant(), "/api/plant/day": () => plant.day(), "/api/inverters": () => plant.inverters(),
      "/api/meters": () => plant.meters(), "/api/targets": () => plant.targets(),
      "/api/log": () => {
        const after = Number(url.searchParams.get("after") ?? 0);
        return { next: this.lines.at(-1).seq, lines: this.lines.filter((line) => line.seq > after) };
      },
    };
    return answers[path] ? this.json(request, response, 200, answers[path]()) : this.json(request, response, 404, { error: "no such path" });
  }

  json(request, response, status, body, headers = {}) {
    const text = JSON.stringify(body);
    const tag = `W/"${createHash("sha256").update(text).digest("hex").slice(0, 16)}"`;
    if (status === 200 && request.headers["if-none-match"] === tag) {
      this.notModified = (this.notModified ?? 0) + 1;
      response.writeHead(304, { ETag: tag });
      return response.end();
    }
    response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-cache", ETag: tag, ...headers });
    return response.end(text);
  }

  async session(request, response) {
    if (request.method === "DELETE") {
      this.sessions.clear();
      for (const client of [...this.clients]) client.end(4401);
      response.writeHead(204, { "Set-Cookie": "hoymiles_session=; Max-Age=0; Path=/" });
      return response.end();
    }
    let body = "";
    for await (const part of request) body += part;
    if (this.wrongTokens >= 10) return this.json(request, response, 429, { error: "too many wrong tokens" }, { "Retry-After": "42" });
    if (JSON.parse(body).token !== this.token) {
      this.wrongTokens += 1;
      return this.json(request, response, 401, { error: "wrong token" });
    }
    this.sessions.add("abc");
    response.writeHead(204, { "Set-Cookie": "hoymiles_session=abc; HttpOnly; SameSite=Strict; Path=/" });
    return response.end();
  }

  events(request, response, url) {
    if (this.without.has("events")) return response.destroy();
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform" });
    const send = (text) => {
      const { type, seq } = JSON.parse(text);
      response.write(`event: ${type}\nid: ${seq}\ndata: ${text}\n\n`);
    };
    const client = { send, end: () => response.destroy(), kind: "events" };
    response.write("retry: 3000\n\n");
    this.welcome(client, url.searchParams.get("since"));
    return response.on("close", () => this.clients.delete(client));
  }

  async file(response, name) {
    const path = join(WEB, normalize(`/${name}`));
    try {
      const bytes = await readFile(path);
      response.writeHead(200, {
        "Content-Type": TYPES[extname(path)] ?? "application/octet-stream", "Content-Security-Policy": POLICY,
        "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
      });
      response.end(this.version && name === "index.html" ? String(bytes).replace("%MANUAL%", "https://example.org/blob/v2.0.0") : bytes);
    } catch {
      response.writeHead(404);
      response.end();
    }
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const text = { type: "string" };
  const { values } = parseArgs({ options: {
    port: text, fault: text, night: { type: "boolean" }, token: text, without: text, dtus: text, inverters: text, ports: text, interval: text,
  } });
  const number = (word) => (word === undefined ? undefined : Number(word));
  const bridge = await new Bridge({
    faults: values.fault?.split(","), night: values.night, token: values.token, without: values.without?.split(","),
    dtus: number(values.dtus), inverters: number(values.inverters), ports: number(values.ports),
  }).listen(number(values.port) ?? 8090);
  setInterval(() => bridge.poll(), 1000 * (number(values.interval) ?? 5));
  console.log(`open ${bridge.url}`);
}
