// A simulated plant in the JSON of the bridge's API.

/** The plant's time zone is where it is half past two now, or twenty to eleven at night. */
function offsetFor(hour) {
  const minutes = Math.floor((Date.now() % 86_400_000) / 60_000);
  return (((hour * 60 - minutes + 2160) % 1440) - 720) * 60;
}

let OFFSET = 0;

export function time(ms) {
  const minutes = Math.abs(OFFSET) / 60;
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  const zone = `${OFFSET < 0 ? "-" : "+"}${two(minutes / 60)}:${two(minutes % 60)}`;
  return `${new Date(ms + OFFSET * 1000).toISOString().slice(0, 19)}${zone}`;
}

const TYPES = [["1141", "HM-800", 2], ["1161", "HM-1500", 4], ["1121", "HM-400", 1], ["1164", "HMS-2000-4T", 4]];

const round = (value, digits) => Number(value.toFixed(digits));

/** options: dtus, inverters, ports (at most), night, faults (a set: dtu, warning, alarm, shade, target, meter) */
export class Plant {
  constructor({ dtus = 2, inverters = 6, ports = 99, night = false, faults = [], hasMqtt = true, startsAt = Date.now() } = {}) {
    OFFSET = offsetFor(night ? 22.67 : 14.5);
    Object.assign(this, { night, hasMqtt, faults: new Set(faults), start: startsAt - 7_200_000, polls: 0 });
    this.names = dtus === 2 ? ["roof", "garage"] : Array.from({ length: dtus }, (_, index) => `DTU ${index + 1}`);
    this.devices = [];
    for (let index = 0, left = ports; index < inverters && left > 0; index += 1) {
      const [prefix, type, most] = TYPES[(index * 7) % TYPES.length];
      const count = Math.min(most, left);
      left -= count;
      const number = String(72606403 + index * 13_577).slice(-8);
      this.devices.push({ serial: prefix + number, type, count, dtu: this.names[index % dtus], index });
    }
    this.answered = new Map(this.names.map((name) => [name, startsAt - 4000]));
  }

  now() {
    return Date.now();
  }

  /** Share of the full sun, a little different at each poll. */
  sun() {
    return this.night ? 0 : 0.72 + 0.05 * Math.sin(this.polls / 3);
  }

  answer(name) {
    if (!(this.faults.has("dtu") && name === this.names[0])) this.answered.set(name, this.now());
  }

  inverter({ serial, type, count, dtu, index }) {
    const at = time(this.answered.get(dtu));
    const ports = Array.from({ length: count }, (_, place) => {
      const isShaded = this.faults.has("shade") && index === 1 && place === 1;
      const power = round(this.sun() * (395 + ((index * 17 + place * 7) % 23)) * (isShaded ? 0.4 : 1), 1);
      return {
        serial_number: serial, port_number: place + 1, timestamp: at, pv_voltage: this.night ? null : 34.1,
        pv_current: this.night ? null : round(power / 34.1, 2), pv_power: this.night ? 0 : power,
        today_production: 1936 + index * 31 + place * 11 + this.polls, today_since: this.midnight(),
        total_production: 456_172 + index * 997, device_today_production: 1930, device_total_production: 456_172,
      };
    });
    const sum = (key) => ports.reduce((total, port) => total + port[key], 0);
    const power = round(sum("pv_power"), 1);
    const hasAlarm = this.faults.has("alarm") && index === 2;
    const knowsAc = dtu === this.names[0];
    return {
      serial_number: serial, dtu_name: dtu, inverter_type: type, model: type, first_seen: time(this.start), last_seen: at,
      timestamp: at, grid_voltage: this.night ? null : 233.4, grid_frequency: this.night ? null : 49.98,
      temperature: this.night ? null : 31.5, operating_status: 3, operating_status_text: "producing",
      alarm_code: hasAlarm ? 141 : 0, alarm_text: hasAlarm ? "grid over-voltage" : "none", alarm_count: 0,
      link_status: this.night ? 0 : 1, link_status_text: "reached", active_power: knowsAc ? round(power * 0.955, 1) : null,
      reactive_power: null, power_factor: knowsAc ? 0.99 : null, current: null, phase_voltages: [], phase_currents: [],
      power_limit: knowsAc ? 100 : null, firmware_version: null, signal: null, pv_power: power,
      today_production: sum("today_production"), today_since: this.midnight(), total_production: sum("total_production"), ports,
    };
  }

  midnight() {
    const local = this.now() + OFFSET * 1000;
    return time(local - (local % 86_400_000) - OFFSET * 1000);
  }

  inverters(dtu) {
    return this.devices.filter((device) => !dtu || device.dtu === dtu).map((device) => this.inverter(device))
      .sort((a, b) => (a.serial_number < b.serial_number ? -1 : 1));
  }

  meters(dtu) {
    if (!this.faults.has("meter") || (dtu && dtu !== this.names[0])) return [];
    const phase = { power: -1204.4, voltage: 231.2, current: 5.2, power_factor: -0.99, energy_exported: 21_000, energy_imported: 3000 };
    return [{
      serial_number: "9400F0001234", dtu_name: this.names[0], timestamp: time(this.answered.get(this.names[0])), device_type: 3,
      power: -3613.2, power_factor: -0.99, energy_exported: 63_210, energy_imported: 9120, phases: [phase, phase, phase],
    }];
  }

  plant() {
    const all = this.inverters();
    const sum = (key) => all.reduce((total, one) => total + one[key], 0);
    return {
      pv_power: all.length ? round(sum("pv_power"), 1) : null, active_power: null,
      today_production: all.length ? sum("today_production") : null, today_since: this.midnight(),
      total_production: all.length ? sum("total_production") + 12_000_000 : null, lifetime_sum: sum("total_production"),
    };
  }

  dtu(name) {
    const isSilent = this.faults.has("dtu") && name === this.names[0];
    const answered = this.answered.get(name) - (isSilent ? 720_000 : 0);
    const problems = this.faults.has("warning") && name === this.names[1] ? [{
      label: "values_repeated",
      cause: "the DTU answers, but repeats its previous values, so that its measurements are outdated",
      remedy: "stop other programs that read it, set a longer `interval`, or restart the DTU",
    }] : [];
    return {
      status: this.night ? "asleep" : isSilent ? "error" : "online", protocol: "modbus", last_successful_query: time(answered),
      seconds_since_last_success: Math.round((this.now() - answered) / 1000), query_count: 120 + this.polls, error_count: isSilent ? 12 : 0,
      last_error: isSilent ? "no answer within 3 s" : null, last_error_cause: isSilent ? "timed_out" : null,
      last_error_remedy: isSilent ? "check its power and network; restart the DTU" : null,
      last_error_time: isSilent ? time(this.now()) : null, failing_since: isSilent ? time(answered) : null, failures_in_a_row: isSilent ? 12 : 0,
      serial_number: "10F812345678", model: "DTU-Pro", firmware_version: "00.02.15", stale_since: null, interval_seconds: 60,
      inverters: this.inverters(name).length, ports: this.inverters(name).flatMap((one) => one.ports).length,
      missing_inverters: [], warnings: problems.map(({ cause, remedy }) => `${cause}; ${remedy}`), problems,
    };
  }

  dtus() {
    return Object.fromEntries(this.names.map((name) => [name, this.dtu(name)]));
  }

  health() {
    const dtus = this.dtus();
    const mqtt = {
      state: "connected", url: "mqtt://192.168.1.23:1883", attempts: 1, last_error: null, last_error_cause: null, last_error_remedy: null,
      last_error_time: null, connected_since: time(this.start), last_sent: time(Math.max(...this.answered.values())),
    };
    return {
      instance: "0f8b", healthy: true, version: "2.0.0", uptime_seconds: Math.round((this.now() - this.start) / 1000),
      start_time: time(this.start), dtus, mqtt: this.hasMqtt ? mqtt : null,
    };
  }

  stats() {
    return { database_size_bytes: 86_016, total_records: 42, inverters_count: this.devices.length, inverter_data_entries: 6, port_data_entries: 13, production_cache_entries: 13, database_type: "SQLite" };
  }

  targets() {
    const isFailing = this.faults.has("target");
    return [{
      name: "Home Assistant", url: "ws://192.168.1.23:8123/…", source: "registered", state: isFailing ? "waiting" : "connected",
      attempts: isFailing ? 14 : 1, last_error: isFailing ? "connection refused by 192.168.1.23:8123" : null,
      last_error_cause: isFailing ? "connection_refused" : null,
      last_error_remedy: isFailing ? "check that Home Assistant is running and that the port is right" : null,
      last_error_time: isFailing ? time(this.now() - 20_000) : null, connected_since: isFailing ? null : time(this.start),
      updates_sent: 121, updates_skipped: 0, last_sent: time(Math.max(...this.answered.values())),
    }];
  }

  data(dtu) {
    return { health: this.health(), stats: this.stats(), plant: this.plant(), inverters: this.inverters(dtu), meters: this.meters(dtu) };
  }

  /** A clear day from six to nine with some clouds, up to now. */
  day() {
    const from = Date.parse(this.midnight()) / 1000;
    const until = Math.floor((this.now() / 1000 - from) / 300);
    const full = this.devices.reduce((sum, device) => sum + device.count, 0) * 405;
    const points = Array.from({ length: until }, (_, index) => {
      const hour = index / 12;
      const height = hour < 6 || hour > 21 ? 0 : Math.sin(((hour - 6) / 15) * Math.PI) ** 1.4;
      const clouds = hour > 10 && hour < 15 ? 1 - 0.3 * Math.abs(Math.sin(index * 1.7) * Math.sin(index / 5)) : 1;
      const watts = index > 100 && index < 104 ? null : round(full * 0.8 * height * clouds, 1);
      return [from + index * 300, watts];
    });
    const [at, value] = points.reduce((best, point) => ((point[1] ?? 0) > (best[1] ?? 0) ? point : best));
    return { from, step: 300, points, peak: value ? { time: time(at * 1000), value } : null };
  }
}
