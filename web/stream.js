// Keeps the page up to date: WebSocket, else event stream, else polling. Tries the better ways again
// by itself and never gives up.
import { state } from "./state.js";

/** How long each way may take to its first message, in milliseconds. */
const OPEN_LIMIT = 3000;
const PING_INTERVAL = 10_000;
const POLL_INTERVAL = 10_000;

/** Best first. */
const WAYS = [
  { kind: "websocket", open: openWebSocket },
  { kind: "events", open: openEvents },
  { kind: "polling", open: openPolling },
];

/** A path of the bridge, relative to the page. */
export const path = (name) => new URL(`./${name}`, document.baseURI);

/** The bridge wants a token. */
export class Locked extends Error {}

/**
 * Runs for as long as the page lives.
 * on.message(message), on.transport(name), on.locked() until `unlock` resolves, on.latency(ms)
 */
export async function run(on) {
  let failures = 0;
  let isFirst = true;
  for (;;) {
    let link = null;
    try {
      link = await firstOf(WAYS, on);
    } catch (error) {
      if (!(error instanceof Locked)) throw error;
      on.transport("none");
      await on.locked();
      continue;
    }
    if (!link) {
      on.transport("none");
      failures += 1;
      await pause(backoff(failures));
      continue;
    }
    if (!isFirst) state.connection.reconnects += 1;
    isFirst = false;
    const opened = Date.now();
    link = await useWithUpgrades(link, on);
    link.close();
    if (await link.ended === "locked") {
      on.transport("none");
      await on.locked();
    }
    failures = Date.now() - opened > 10_000 ? 0 : failures + 1;
    // Safari needs a moment before it opens another socket to the same place.
    await pause(failures ? backoff(failures) : 100 + Math.random() * 200);
  }
}

/** Uses the link, and a better one as soon as one opens; returns the last one, which has ended. */
async function useWithUpgrades(link, on) {
  on.transport(link.kind);
  let tries = 0;
  while (link.kind !== "websocket") {
    tries += 1;
    const wait = Math.min(60_000, 5000 * 2 ** (tries - 1));
    const event = await Promise.race([link.ended, pause(wait, "again")]);
    if (event !== "again") return link;
    let found = null;
    try {
      found = await firstOf(WAYS.slice(0, WAYS.findIndex(({ kind }) => kind === link.kind)), on);
    } catch {
      link.end("locked");
      return link;
    }
    if (!found) continue;
    link.close();
    link = found;
    on.transport(link.kind);
  }
  await link.ended;
  return link;
}

async function firstOf(ways, on) {
  for (const { open } of ways) {
    const link = await open(on);
    if (link) return link;
  }
  return null;
}

/** Half a second to two and a half; after some minutes of failures up to ten. */
function backoff(failures) {
  const longest = failures > 100 ? 10_000 : 2500;
  return Math.min(longest, 250 * 2 ** Math.min(failures, 8)) * (0.5 + Math.random() / 2);
}

const sleepers = new Set();

/** Resolves after this time, or at once when the page or the network comes back. */
function pause(ms, result) {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      sleepers.delete(wake);
      resolve(result);
    };
    const timer = setTimeout(wake, ms);
    sleepers.add(wake);
  });
}

let checkLink = () => {};

function wakeUp() {
  if (document.visibilityState === "hidden") return;
  for (const wake of sleepers) wake();
  checkLink();
}

addEventListener("online", wakeUp);
addEventListener("pageshow", wakeUp);
document.addEventListener("visibilitychange", wakeUp);

/** A link under construction: `opened` and `ended` settle once each. */
function newLink(kind, close) {
  let end;
  const ended = new Promise((resolve) => (end = resolve));
  const link = { kind, ended, heard: Date.now() };
  link.end = (why) => {
    close();
    end(why);
  };
  link.close = () => link.end("closed");
  return link;
}

function address(name) {
  const url = path(name);
  if (state.seq != null) url.searchParams.set("since", state.seq);
  return url;
}

async function openWebSocket(on) {
  const url = address("api/ws");
  url.protocol = url.protocol.replace("http", "ws");
  let socket;
  try {
    socket = new WebSocket(url);
  } catch {
    return null;
  }
  const link = newLink("websocket", () => {
    clearInterval(timer);
    socket.close();
  });
  let silence = 50_000;
  let pingId = 0;
  let pingAt = 0;
  let timer;
  const ping = () => {
    pingId += 1;
    pingAt = performance.now();
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: "ping", id: pingId }));
  };
  const opened = new Promise((resolve) => {
    const limit = setTimeout(() => link.end("silent"), OPEN_LIMIT);
    let probe;
    // A socket that says nothing may wait for a token that this page does not have.
    socket.onopen = () => (probe = setTimeout(async () => (await isRefused()) && link.end("locked"), 400));
    socket.onmessage = (event) => {
      link.heard = Date.now();
      const message = parsed(event.data);
      if (!message) return;
      if (message.type === "hello") {
        clearTimeout(limit);
        clearTimeout(probe);
        silence = 2000 * (message.data?.heartbeat ?? 25);
        timer = setInterval(() => {
          if (Date.now() - link.heard > silence) link.end("silent");
          else if (document.visibilityState === "visible") ping();
        }, PING_INTERVAL);
        resolve(true);
        ping();
      }
      if (message.type === "pong" && message.data?.id === pingId) on.latency(performance.now() - pingAt);
      on.message(message);
    };
    socket.onclose = ({ code }) => link.end([4401, 4429].includes(code) ? "locked" : `closed ${code}`);
    link.ended.then(() => {
      clearTimeout(limit);
      clearTimeout(probe);
      socket.onmessage = null;
      resolve(false);
    });
  });
  if (await opened) {
    // A phone that slept may show a socket as open that is long gone.
    checkLink = () => {
      const asked = Date.now();
      ping();
      setTimeout(() => link.heard < asked && link.end("silent"), OPEN_LIMIT);
    };
    link.ended.then(() => (checkLink = () => {}));
    return link;
  }
  if (await link.ended === "locked") throw new Locked();
  return null;
}

async function openEvents(on) {
  if (typeof EventSource === "undefined") return null;
  const source = new EventSource(address("api/events"));
  let timer;
  const link = newLink("events", () => {
    clearInterval(timer);
    source.close();
  });
  const opened = new Promise((resolve) => {
    const limit = setTimeout(() => link.end("silent"), OPEN_LIMIT);
    let silence = 50_000;
    const take = (event) => {
      link.heard = Date.now();
      const message = parsed(event.data);
      if (!message) return;
      if (message.type === "hello") {
        clearTimeout(limit);
        silence = 2000 * (message.data?.heartbeat ?? 25);
        timer = setInterval(() => {
          if (Date.now() - link.heard > silence) link.end("silent");
          else measure(on);
        }, PING_INTERVAL);
        measure(on);
        resolve(true);
      }
      on.message(message);
    };
    for (const type of ["hello", "snapshot", "update", "status", "heartbeat"]) source.addEventListener(type, take);
    source.onerror = () => link.end("closed");
    link.ended.then(() => {
      clearTimeout(limit);
      resolve(false);
    });
  });
  return (await opened) ? link : null;
}

async function openPolling(on) {
  const stop = new AbortController();
  const link = newLink("polling", () => stop.abort());
  const tags = new Map();
  const read = async (name) => {
    const headers = tags.has(name) ? { "If-None-Match": tags.get(name) } : {};
    const signal = AbortSignal.any?.([stop.signal, AbortSignal.timeout(OPEN_LIMIT)]) ?? stop.signal;
    const answer = await fetch(path(name), { headers, signal, credentials: "same-origin" });
    if (answer.status === 401 || answer.status === 429) throw new Locked();
    if (answer.status === 304) return null;
    // A plant without an answer is 503, with the same body.
    if (!answer.ok && name !== "health") throw new Error(`${name}: ${answer.status}`);
    const tag = answer.headers.get("ETag");
    if (tag) tags.set(name, tag);
    return answer.json();
  };
  const poll = async () => {
    const begin = performance.now();
    const health = await read("health");
    on.latency(performance.now() - begin);
    const names = ["plant", "inverters", "meters", "targets"];
    const answers = await Promise.all(names.map((name) => read(`api/${name}`)));
    const data = { health };
    names.forEach((name, index) => (data[name] = answers[index]));
    if (state.version !== health?.version) on.message({ type: "hello", data: { version: health?.version } });
    on.message({ type: "snapshot", data });
  };
  try {
    await poll();
  } catch (error) {
    link.close();
    if (error instanceof Locked) throw error;
    return null;
  }
  keepPolling(link, poll);
  return link;
}

async function keepPolling(link, poll) {
  let failures = 0;
  while (failures < 2) {
    if (await Promise.race([link.ended, pause(failures ? 500 : POLL_INTERVAL, "again")]) !== "again") return;
    try {
      await poll();
      failures = 0;
    } catch (error) {
      if (error instanceof Locked) return link.end("locked");
      failures += 1;
    }
  }
  link.end("closed");
}

/** The time of a small request, where the stream has no ping. */
async function measure(on) {
  if (document.visibilityState === "hidden") return;
  const begin = performance.now();
  try {
    await fetch(path("ready"), { cache: "no-store" });
    on.latency(performance.now() - begin);
  } catch {
    on.latency(null);
  }
}

async function isRefused() {
  try {
    const answer = await fetch(path("api/plant"), { cache: "no-store" });
    return answer.status === 401 || answer.status === 429;
  } catch {
    return false;
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
