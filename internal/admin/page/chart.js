import { element, setText, stamp } from "./dom.js";
import { clock } from "./format.js";
import { WINDOW } from "./series.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300, HEIGHT = 60;

// A Chart draws series over the window, with their present values as its legend,
// or those of the moment that a pointer is on.
//
//	title   what it shows
//	unit    a function from a value to text
//	lines   [{name, color, series}], the color being the name of a CSS variable
//	stacked whether each line is drawn on top of the one before
export class Chart {
  #parts = stamp("chart");
  #options;
  #now = 0;
  #pointed = null; // where the pointer is, from 0 to 1 across the chart
  #cursor;

  constructor(options) {
    this.#options = options;
    const { title, plot, svg } = this.#parts;
    setText(title, options.title);
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    for (let minute = 1; minute < 5; minute++) this.#path("grid", `M${(WIDTH * minute) / 5} 0V${HEIGHT}`);
    options.lines.forEach((line) => this.#addLine(line));
    this.#cursor = this.#path("cursor", "");
    plot.addEventListener("pointermove", (event) => this.#point(event));
    plot.addEventListener("pointerleave", () => this.#point(null));
  }

  get root() {
    return this.#parts.root;
  }

  #path(className, d) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", className);
    path.setAttribute("d", d);
    this.#parts.svg.append(path);
    return path;
  }

  #addLine(line) {
    // A line on top of a stack would hide the one below where it adds nothing.
    line.area = this.#path(`${this.#options.stacked ? "solid" : "area"} ${line.color}`, "");
    line.stroke = this.#path(this.#options.stacked ? "none" : `line ${line.color}`, "");
    const item = element("li", line.color, line.name);
    line.value = element("b");
    item.append(" ", line.value);
    this.#parts.legend.append(item);
  }

  #point(event) {
    const box = this.#parts.plot.getBoundingClientRect();
    this.#pointed = event && (event.clientX - box.left) / box.width;
    this.#label();
  }

  // draw shows the window that ends now.
  draw(now) {
    this.#now = now;
    const { lines, unit } = this.#options;
    const layers = this.#layers();
    const top = ceiling(layers.flat().map((p) => p.high));
    lines.forEach((line, i) => {
      const runs = this.#runs(layers[i], top);
      line.stroke.setAttribute("d", runs.map((run) => along(run, "high")).join(""));
      line.area.setAttribute("d", runs.map((run) => `${along(run, "high")}L${along(run.toReversed(), "low").slice(1)}Z`).join(""));
    });
    setText(this.#parts.scale, unit(top));
    this.#label();
  }

  // layers returns for each line its points with the low and high edge of its area.
  #layers() {
    const floor = new Map(); // by time
    return this.#options.lines.map(({ series }) =>
      series.points.map(({ t, rate }) => {
        const low = this.#options.stacked ? (floor.get(t) ?? 0) : 0;
        const high = rate === null ? null : low + rate;
        floor.set(t, high ?? low);
        return { t, low, high };
      }),
    );
  }

  // runs splits points at the gaps and puts them into the chart's coordinates.
  #runs(points, top) {
    const y = (v) => (HEIGHT - (v / top) * (HEIGHT - 1)).toFixed(1);
    const runs = [[]];
    for (const p of points) {
      if (p.high === null) runs.push([]);
      else runs.at(-1).push({ x: (WIDTH * (1 - (this.#now - p.t) / WINDOW)).toFixed(1), low: y(p.low), high: y(p.high) });
    }
    return runs.filter((run) => run.length > 1);
  }

  #label() {
    const { lines, title, unit } = this.#options;
    const { svg, when } = this.#parts;
    const then = this.#pointed === null ? null : this.#now - WINDOW * (1 - this.#pointed);
    const texts = lines.map(({ series }) => unit(then === null ? series.now() : series.at(then)));
    lines.forEach((line, i) => setText(line.value, texts[i]));
    setText(when, then === null ? "" : clock(then));
    this.#cursor.setAttribute("d", then === null ? "" : `M${WIDTH * this.#pointed} 0V${HEIGHT}`);
    svg.setAttribute("aria-label", `${title}: ${lines.map((line, i) => `${line.name} ${texts[i]}`).join(", ")}`);
  }
}

// along returns a path through one edge of a run.
function along(run, edge) {
  return `M${run.map((p) => `${p.x} ${p[edge]}`).join("L")}`;
}

// ceiling returns a round number that no value is above.
function ceiling(values) {
  const most = values.reduce((a, b) => Math.max(a, b ?? 0), 1);
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].map((step) => step * power).find((round) => round >= most);
}
