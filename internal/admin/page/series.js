// What a counter did of late.

// WINDOW is how far back a series goes, in milliseconds.
export const WINDOW = 5 * 60 * 1000;

// SMOOTH is the time over which the present rate is averaged, so that it can be read.
const SMOOTH = 3000;

// A Series turns the totals of one counter into rates. A point is the rate a
// second over dt milliseconds up to t; the rate is null where nothing is known.
export class Series {
  points = [];
  #total = null;
  #at = 0;

  // seed takes rates a second, of which the last belongs to the last of the times. What
  // is here already and later stays.
  seed(times, rates) {
    if (rates.length === 0) return;
    const first = times.length - rates.length, until = times.at(-1);
    const past = rates.map((rate, i) => {
      const t = times[first + i];
      return { t, dt: first + i > 0 ? t - times[first + i - 1] : 0, rate };
    });
    this.points = [...past, ...this.points.filter((p) => p.t > until)];
  }

  // add takes the total at the server's time t.
  add(t, total) {
    const dt = t - this.#at;
    if (this.#total !== null && dt <= 0) return;
    if (this.#total !== null) {
      const rate = total < this.#total ? null : ((total - this.#total) * 1000) / dt;
      this.points.push({ t, dt, rate });
    }
    this.#total = total;
    this.#at = t;
    while (this.points.length > 0 && this.points[0].t < t - WINDOW) this.points.shift();
  }

  // interrupt leaves a gap after the last point.
  interrupt() {
    if (this.points.at(-1)?.rate != null) this.points.push({ t: this.#at, dt: 0, rate: null });
  }

  // now returns the present rate, or null.
  now() {
    let sum = 0, time = 0;
    for (let i = this.points.length - 1; i >= 0; i--) {
      const p = this.points[i];
      if (p.rate === null || p.t <= this.#at - SMOOTH) break;
      sum += p.rate * p.dt;
      time += p.dt;
    }
    return time > 0 ? sum / time : null;
  }

  // at returns the rate at a time, or null.
  at(t) {
    const point = this.points.find((p) => p.t >= t && p.t - p.dt <= t);
    return point ? point.rate : null;
  }

  // grown returns by how much the counter grew within the window.
  grown() {
    return this.points.reduce((sum, p) => sum + (p.rate ?? 0) * p.dt, 0) / 1000;
  }
}
