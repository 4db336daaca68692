import { ask } from "./api.js";

// Past has the program's data of the last five minutes. Views take from it what they
// draw, when they are made and whenever version has changed.
export class Past {
  version = 0;
  #times = [];
  #series = new Map(); // rates by what they are of

  // load asks the program. It throws as ask does.
  async load() {
    const past = await ask("api/history");
    this.#times = past.times;
    this.#series.clear();
    for (const f of past.frontends) this.#put(`frontend ${f.service ?? ""} ${f.name}`, f);
    for (const h of past.http) this.#put(`http ${h.service ?? ""}`, h.responses);
    for (const b of past.backends) this.#put(`backend ${b.service ?? ""} ${b.address}`, b);
    this.version++;
  }

  #put(what, rates) {
    this.#series.set(what, rates);
  }

  // seed gives each series its past: {name: series}, by the names that the API has.
  seed(what, series) {
    const rates = this.#series.get(what) ?? {};
    for (const [name, one] of Object.entries(series)) one.seed(this.#times, rates[name] ?? []);
  }
}
