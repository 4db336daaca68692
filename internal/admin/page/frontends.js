import { Chart } from "./chart.js";
import { element, keep, setText, stamp } from "./dom.js";
import { bytes, bytesPerSecond, count, perSecond } from "./format.js";
import { Reasons } from "./reasons.js";
import { Series } from "./series.js";

const protocols = { l4: "L4 · TCP", l7: "L7 · HTTP" };

// What HTTP answers are counted by.
const classes = [
  { name: "2xx", color: "good", first: "2" },
  { name: "3xx", color: "plain", first: "3" },
  { name: "4xx", color: "warn", first: "4" },
  { name: "5xx", color: "bad", first: "5" },
];

// Frontends shows a card for each frontend.
export class Frontends {
  #cards = new Map(); // by name
  #parent;

  constructor(parent) {
    this.#parent = parent;
  }

  update(now, frontends, http) {
    keep(this.#parent, this.#cards, frontends.map((f) => f.name), (name) => new Card(name));
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
  #requests = null; // a series for each class of answers, once there are any
  #charts = [];
  #totals = new Map(); // the nodes of the totals by their names
  #closed;
  #rejected;

  constructor(name) {
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
    setText(address, f.address);
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

  #updateHTTP(now, http) {
    if (!this.#requests) {
      this.#requests = classes.map(() => new Series());
      const lines = classes.map(({ name, color }, i) => ({ name, color, series: this.#requests[i] }));
      this.#addChart({ title: "Answers", unit: perSecond, stacked: true, lines });
      this.root.classList.add("wide");
    }
    let all = 0;
    const sums = classes.map(() => 0);
    for (const [code, n] of Object.entries(http.requests)) {
      all += n;
      const i = classes.findIndex(({ first }) => code.startsWith(first));
      if (i >= 0) sums[i] += n;
    }
    this.#requests.forEach((series, i) => series.add(now, sums[i]));
    this.#total("Answers", count(all));
    this.#total("In flight", count(http.in_flight));
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
