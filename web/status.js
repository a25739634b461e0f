// The one sentence on top: the first problem with its remedy, or that all is well.
import { count, duration, t } from "./i18n.js";
import { clock, text, when } from "./format.js";
import { dtus, isOld, newestAnswer, now, remember, remembered, state } from "./state.js";

/** Alarm codes that only say what happened: started, clock set, too little light, repeater, standby. */
const NOTICES = new Set([0, 1, 2, 38, 1111, 2000, 2001, 2002, 2003, 2004]);

export function hasAlarm(inverter) {
  return inverter.alarm_code != null && !NOTICES.has(inverter.alarm_code);
}

/** A port below this share of the plant's median counts as weak. */
const WEAK = 0.6;

/** Compares inverters: alarms first, then old values, then weak ports; else the order stays. */
export function byAttention(inverters) {
  const powers = inverters.flatMap((one) => one.ports.map((port) => port.pv_power ?? 0)).sort((a, b) => a - b);
  const limit = WEAK * (powers[powers.length >> 1] ?? 0);
  const rank = (one) => {
    if (hasAlarm(one)) return 0;
    if (isOld(one)) return 1;
    return one.ports.some((port) => port.pv_power < limit) ? 2 : 3;
  };
  return (a, b) => rank(a) - rank(b);
}

const since = (time) => (time ? (now() - Date.parse(time)) / 1000 : null);

/** Everything that is wrong now, worst first: {level, sentence, label, cause, remedy, link}. */
export function problems() {
  return [...lostConnection(), ...dtuProblems(), ...receiverProblems(), ...inverterProblems()];
}

function lostConnection() {
  const { lostAt } = state.connection;
  if (state.transport !== "none" || lostAt == null || Date.now() - lostAt < 1500) return [];
  return [{
    level: "error",
    sentence: t("lost_connection", { time: when(lostAt, Date.now()) }),
    remedy: t("lost_connection_remedy"),
    kind: "no connection to the bridge",
    isOurs: true,
  }];
}

function dtuProblems() {
  const found = [];
  for (const dtu of dtus()) {
    if (dtu.status === "error") {
      const silent = since(dtu.last_successful_query ?? dtu.failing_since);
      found.push({
        level: "error",
        sentence: silent == null
          ? t("dtu_never_answered", { name: dtu.name })
          : t("dtu_silent", { name: dtu.name, duration: duration(silent) }),
        label: dtu.last_error_cause,
        cause: dtu.last_error,
        remedy: dtu.last_error_remedy,
      });
    }
    for (const problem of dtu.problems ?? []) {
      found.push({ level: "warning", sentence: t("dtu_warning", { name: dtu.name }), ...problem });
    }
  }
  return found.sort((a, b) => (a.level === b.level ? 0 : a.level === "error" ? -1 : 1));
}

/** Targets and the MQTT broker, in one form. */
export function receivers() {
  const mqtt = state.health?.mqtt;
  return mqtt ? [...state.targets, { name: "MQTT", ...mqtt }] : state.targets;
}

export function isFailing(receiver) {
  return receiver.state !== "connected" && receiver.last_error != null;
}

function receiverProblems() {
  return receivers().filter(isFailing).map((receiver) => ({
    level: "warning",
    sentence: t("receiver_failing", { name: receiver.name }),
    label: receiver.last_error_cause,
    cause: receiver.last_error,
    remedy: receiver.last_error_remedy,
  }));
}

function inverterProblems() {
  return state.inverters.filter(hasAlarm).map((inverter) => ({
    level: "warning",
    sentence: t("inverter_alarm", {
      serial: inverter.serial_number.slice(-4),
      text: inverter.alarm_text ?? inverter.alarm_code,
    }),
    remedy: null,
    kind: `alarm ${inverter.alarm_code}`,
    link: "#/inverters",
  }));
}

/** When production began on the newest morning that this device has seen. */
function firstLight() {
  const first = state.day?.points.find(([, watts]) => watts > 0)?.[0];
  if (first) remember("first_light", String(first));
  const known = first ?? Number(remembered("first_light"));
  return known && Date.now() / 1000 - known < 3 * 86400 ? known * 1000 : null;
}

export function lastLight() {
  const points = [...(state.day?.points ?? []), ...state.tail];
  const at = points.findLast?.(([, watts]) => watts > 0)?.[0];
  return at ? at * 1000 : null;
}

export function isNight() {
  const all = dtus();
  return all.length > 0 && all.every((dtu) => dtu.status === "asleep");
}

/** {level, sentence} of the whole plant. */
export function summary() {
  const found = problems();
  if (found.length) return { ...found[0], more: found.slice(1) };
  if (!state.health) return { level: "waiting", sentence: t("waiting_for_bridge"), more: [] };
  const ports = state.inverters.reduce((sum, inverter) => sum + inverter.ports.length, 0);
  if (!dtus().length) return { level: "waiting", sentence: t("no_dtu"), remedy: t("no_dtu_remedy"), isOurs: true, more: [] };
  if (!newestAnswer()) return { level: "waiting", sentence: t("waiting_for_dtu"), more: [] };
  if (isNight()) {
    const parts = [lastLight() ? t("asleep_since", { time: clock(lastLight()) }) : t("asleep")];
    const today = state.plant?.today_production;
    if (today) parts.push(t("today_so_much", { energy: text("energy", today) }));
    if (firstLight()) parts.push(t("next_light", { time: clock(firstLight()) }));
    return { level: "night", sentence: parts.join(" "), more: [] };
  }
  const power = state.plant?.pv_power;
  const sentence = power == null
    ? count("well_without_power", ports)
    : count("well", ports, { power: text("power", power) });
  return { level: "ok", sentence, more: [] };
}

/** Latency in words and as a quality of 0 to 100. */
export function quality(latency) {
  if (latency == null) return { words: "unknown", value: null };
  const steps = [[0, 100], [50, 90], [150, 70], [300, 40], [1000, 0]];
  const next = steps.findIndex(([ms]) => latency < ms);
  if (next < 0) return { words: "bad", value: 0 };
  const [[x0, y0], [x1, y1]] = [steps[next - 1] ?? steps[0], steps[next]];
  const value = Math.round(y0 + ((latency - x0) / (x1 - x0 || 1)) * (y1 - y0));
  const words = latency < 50 ? "excellent" : latency < 150 ? "good" : latency < 300 ? "fair" : "bad";
  return { words, value };
}
