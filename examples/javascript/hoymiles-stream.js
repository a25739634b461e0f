// Follows the live stream of a bridge, and connects again whenever the connection ends.
// For browsers and Node; no dependencies. Protocol: docs/api.md, "Live stream".

const LONGEST_WAIT = 30; // seconds
const REFUSED = 4401;
const THROTTLED = 4429;

/**
 * Calls `onChange(state)` with each message and with each change of the connection.
 *
 * url: such as "ws://192.168.1.5:8080/api/ws"
 * token: that of `[http]` in the bridge's configuration, if one is set
 * returns an object whose `stop()` ends it
 *
 * state.status: "connecting", "connected", "waiting" or "refused" (the token is wrong or missing)
 * state.plant, health, targets: as in the API; null before the first snapshot
 * state.inverters, meters: Maps by serial number
 * state.figures: {messages, skipped, connections, connectedSince, lastMessage}; times are Dates or null
 */
export function followBridge(url, { token = null, onChange, WebSocket = globalThis.WebSocket }) {
  const figures = { messages: 0, skipped: 0, connections: 0, connectedSince: null, lastMessage: null };
  let state = { status: "connecting", plant: null, health: null, targets: null, inverters: new Map(), meters: new Map(), figures };
  let socket = null;
  let seq = null; // of the newest message; the bridge sends what came after it
  let wait = 1;
  let timer = null; // of the next attempt, or of a connection on which nothing arrives
  let silence = 60_000;

  const change = (changes) => {
    state = { ...state, ...changes, figures: { ...figures } };
    onChange(state);
  };

  function connect() {
    change({ status: "connecting" });
    const address = new URL(url);
    if (seq !== null) address.searchParams.set("since", seq);
    const own = new WebSocket(address);
    socket = own;
    watch(own);
    own.onopen = () => {
      // In a message, so that the token is in no log of a proxy.
      if (token) own.send(JSON.stringify({ type: "auth", token }));
    };
    own.onmessage = ({ data }) => {
      watch(own);
      receive(JSON.parse(data));
    };
    own.onerror = () => {}; // onclose follows
    own.onclose = ({ code }) => ended(own, code);
  }

  /** Gives the connection up if nothing arrives: the bridge sends a heartbeat every 25 seconds. */
  function watch(own) {
    clearTimeout(timer);
    timer = setTimeout(() => {
      ended(own, 1006);
      own.close();
    }, silence);
  }

  function ended(own, code) {
    if (socket !== own) return;
    socket = null;
    figures.connectedSince = null;
    clearTimeout(timer);
    timer = setTimeout(connect, (code === THROTTLED ? 60 : wait) * 1000);
    wait = Math.min(wait * 2, LONGEST_WAIT);
    change({ status: code === REFUSED || code === THROTTLED ? "refused" : "waiting" });
  }

  function receive({ type, seq: number, skipped = 0, data }) {
    figures.messages += 1;
    figures.skipped += skipped;
    figures.lastMessage = new Date();
    if (type === "hello") {
      figures.connections += 1;
      figures.connectedSince = new Date();
      silence = (2 * data.heartbeat + 10) * 1000;
      if (!data.resumed) seq = null;
      change({ status: "connected" });
      return;
    }
    wait = 1;
    seq = number;
    if (type === "snapshot") {
      const { plant, health, targets } = data;
      change({ plant, health, targets, inverters: bySerial(data.inverters), meters: bySerial(data.meters) });
    } else if (type === "update") {
      const { plant, health, dtu } = data;
      change({ plant, health, inverters: replaced(state.inverters, dtu, data.inverters), meters: replaced(state.meters, dtu, data.meters) });
    } else if (type === "status") {
      change({ targets: data.targets, health: { ...state.health, dtus: { ...state.health?.dtus, ...data.dtus } } });
    } else {
      change({});
    }
  }

  connect();
  return {
    stop() {
      clearTimeout(timer);
      const last = socket;
      socket = null;
      last?.close();
    },
  };
}

const bySerial = (list) => new Map(list.map((one) => [one.serial_number, one]));

/** The map with those of one DTU replaced by `list`. */
function replaced(map, dtu, list) {
  const others = [...map.values()].filter((one) => one.dtu_name !== dtu);
  return bySerial([...others, ...list]);
}
