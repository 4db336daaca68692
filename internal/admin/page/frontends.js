import { Chart } from "./chart.js";
import { element, keep, setAddress, setText, stamp } from "./dom.js";
import { bytes, bytesPerSecond, count, perSecond } from "./format.js";
import { Reasons } from "./reasons.js";
import { Series } from "./series.js";

const protocols = { l4: "L4 · TCP", l7: "L7 · HTTP" };

// What HTTP responses are counted by.
const classes = [
  { name: "2xx", color: "good", first: "2" },
  { name: "3xx", color: "plain", first: "3" },
  { name: "4xx", color: "warn", first: "4" },
  { name: "5xx", color: "bad", first: "5" },
];

// Frontends shows a card for each frontend of a service, which has a name or is the only one.
export class Frontends {
  #cards = new Map(); // by name
  #parent;
  #service;
  #past;

  constructor(parent, service, past) {
    this.#parent = parent;
    this.#service = service;
    this.#past = past;
  }

  update(now, frontends, http) {
    keep(this.#parent, this.#cards, frontends.map((f) => f.name), (name) => new Card(name, this.#service, this.#past));
    for (const f of frontends) this.#cards.get(f.name).update(now, f, f.name === "l7" ? http : null);
  }

  interrupt() {
    for (const card of this.#cards.values()) card.interrupt();
  }
}

// A Card shows one frontend.
class Card {
  #parts = stamp("frontend");
  #connections = new Series();
  #received = new Series();
  #sent = new Series();
  #requests = null; // a series for each class of responses, once there are any
  #charts = [];
  #totals = new Map(); // the nodes of the totals by their names
  #closed;
  #rejected;
  #service;
  #past;
  #seeded = 0; // the version of the past that the series have

  constructor(name, service, past) {
    this.#service = service;
    this.#past = past;
    const { root, closed, rejected } = this.#parts;
    root.dataset.frontend = name;
    setText(this.#parts.name, protocols[name] ?? name);
    this.#closed = new Reasons(closed);
    this.#rejected = new Reasons(rejected);
    this.#addChart({ title: "New connections", unit: perSecond, lines: [{ name: "", color: "plain", series: this.#connections }] });
    this.#addChart({
      title: "Bytes",
      unit: bytesPerSecond,
      lines: [
        { name: "in", color: "in", series: this.#received },
        { name: "out", color: "out", series: this.#sent },
      ],
    });
  }

  get root() {
    return this.#parts.root;
  }

  #addChart(options) {
    const chart = new Chart(options);
    this.#charts.push(chart);
    this.#parts.charts.append(chart.root);
  }

  update(now, f, http) {
    const { address, active, activeWord } = this.#parts;
    this.#seed(f, http);
    setAddress(address, f.address);
    setText(active, count(f.active));
    setText(activeWord, f.active === 1 ? "connection" : "connections");
    this.#connections.add(now, f.connections);
    this.#received.add(now, f.received_bytes);
    this.#sent.add(now, f.sent_bytes);
    this.#total("Connections", count(f.connections));
    this.#total("In", bytes(f.received_bytes));
    this.#total("Out", bytes(f.sent_bytes));
    this.#total("Retries", count(f.retries));
    if (http) this.#updateHTTP(now, http);
    // Those that were rejected are counted as closed as well.
    this.#closed.update(now, Object.fromEntries(Object.entries(f.closed).filter(([name]) => !(name in f.rejected))));
    this.#rejected.update(now, f.rejected);
    for (const chart of this.#charts) chart.draw(now);
  }

  // seed gives the series their past.
  #seed(f, http) {
    if (http && !this.#requests) this.#beginHTTP();
    if (this.#seeded === this.#past.version) return;
    this.#seeded = this.#past.version;
    this.#past.seed(`frontend ${this.#service} ${f.name}`, {
      connections: this.#connections,
      received_bytes: this.#received,
      sent_bytes: this.#sent,
    });
    if (!http) return;
    const responses = classes.map(({ name }, i) => [name, this.#requests[i]]);
    this.#past.seed(`http ${this.#service}`, Object.fromEntries(responses));
  }

  #beginHTTP() {
    this.#requests = classes.map(() => new Series());
    const lines = classes.map(({ name, color }, i) => ({ name, color, series: this.#requests[i] }));
    this.#addChart({ title: "Responses", unit: perSecond, stacked: true, lines });
    this.root.classList.add("wide");
    this.#parts.requests.hidden = false;
  }

  #updateHTTP(now, http) {
    let all = 0;
    const sums = classes.map(() => 0);
    for (const [code, n] of Object.entries(http.requests)) {
      all += n;
      const i = classes.findIndex(({ first }) => code.startsWith(first));
      if (i >= 0) sums[i] += n;
    }
    this.#requests.forEach((series, i) => series.add(now, sums[i]));
    this.#total("Responses", count(all));
    setText(this.#parts.inFlight, count(http.in_flight));
    setText(this.#parts.inFlightWord, http.in_flight === 1 ? "request in flight" : "requests in flight");
  }

  #total(name, text) {
    if (!this.#totals.has(name)) {
      const pair = element("div"), value = element("dd");
      pair.append(element("dt", "", name), value);
      this.#parts.totals.append(pair);
      this.#totals.set(name, value);
    }
    setText(this.#totals.get(name), text);
  }

  interrupt() {
    for (const series of [this.#connections, this.#received, this.#sent, ...(this.#requests ?? [])]) series.interrupt();
  }
}
