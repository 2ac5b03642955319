// The energy along the band: every ion of the hop over one axis, and where the path stands now.

import { byId, fixed, svg } from "./dom.js";

const WIDTH = 600;
const HEIGHT = 250;
const LEFT = 48;
const RIGHT = 14;
const TOP = 16;
const BOTTOM = 40;

/** Ticks at 1, 2 or 5 times a power of ten, about so many. */
function ticks(low, high, about) {
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((k) => k * power >= rough) ?? 10);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k += 1) found.push(k * step);
  return { found, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

/** Energy of a curve at a place, straight between its close points. */
export function along(curve, place) {
  const { x, y } = curve;
  let k = x.findIndex((value) => value >= place);
  if (k < 0) return y.at(-1);
  if (k === 0) return y[0];
  k = Math.max(1, k);
  const share = (place - x[k - 1]) / (x[k] - x[k - 1] || 1);
  return y[k - 1] + share * (y[k] - y[k - 1]);
}

function marker(square, x, y, size, attributes) {
  return square
    ? svg("rect", { x: x - size, y: y - size, width: 2 * size, height: 2 * size, ...attributes })
    : svg("circle", { cx: x, cy: y, r: size * 1.12, ...attributes });
}

/**
 * Draw the profiles of the ions of one hop.
 *
 * @param ions profiles, each with `ion`, `energies`, `coordinates`, `curve`, `is_barrier`, `chosen`
 * @param jump called with the number of an image that was clicked
 * @returns a function that moves the mark to a place between the images, e.g. 2.5
 */
export function drawProfile(ions, jump) {
  const drawn = ions.map((ion, order) => ({ ...ion, order })).filter((ion) => ion.energies.length);
  const holder = byId("profile");
  if (drawn.length === 0) {
    const none = svg("svg", { viewBox: `0 0 ${WIDTH} 60`, role: "img", "aria-label": "No band was run" });
    const text = svg("text", { x: WIDTH / 2, y: 34, "text-anchor": "middle", class: "axis" });
    text.textContent = "no band was run";
    none.append(text);
    holder.replaceChildren(none);
    return () => {};
  }
  // A band that failed may climb to tens of eV: what is a barrier stays readable.
  const heights = drawn.map((ion) => Math.max(...ion.curve.y));
  const good = drawn.map((ion, k) => (ion.is_barrier ? heights[k] : null)).filter((v) => v !== null);
  const ceiling = good.length ? 2.5 * Math.max(0.2, ...good) : Infinity;
  const clipped = drawn.flatMap((ion) => ion.curve.y.map((v) => Math.min(ceiling, Math.max(-ceiling, v))));
  const low = Math.min(0, ...clipped);
  const span = Math.max(Math.max(...clipped) - low, 0.02);
  const bottom = low - 0.06 * span;
  const top = low + 1.14 * span;
  const far = Math.max(...drawn.map((ion) => ion.coordinates.at(-1))) || 1;
  const x = (value) => LEFT + ((WIDTH - LEFT - RIGHT) * value) / far;
  const y = (value) => TOP + ((HEIGHT - TOP - BOTTOM) * (top - value)) / (top - bottom);
  const told = drawn.map((ion) => `${ion.ion}: ${ion.text}`).join("; ");
  const picture = svg("svg", {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: "img",
    "aria-label": `Energy along the path in eV. ${told}`,
  });
  const clip = svg("clipPath", { id: "plot-area" });
  clip.append(svg("rect", { x: LEFT - 8, y: TOP - 8, width: WIDTH - LEFT - RIGHT + 16, height: HEIGHT - TOP - BOTTOM + 8 }));
  picture.append(clip);
  const label = (text, attributes) => {
    const made = svg("text", { class: "axis", ...attributes });
    made.textContent = text;
    picture.append(made);
  };
  const rises = ticks(bottom, top, 5);
  for (const value of rises.found) {
    const zero = Math.abs(value) < 1e-9;
    picture.append(svg("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value), class: zero ? "zero" : "grid" }));
    label(fixed(value, rises.digits), { x: LEFT - 7, y: y(value) + 4, "text-anchor": "end" });
  }
  const runs = ticks(0, far, 6);
  for (const value of runs.found) {
    picture.append(svg("line", { x1: x(value), x2: x(value), y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4, class: "zero" }));
    label(fixed(value, runs.digits), { x: x(value), y: HEIGHT - BOTTOM + 17, "text-anchor": "middle" });
  }
  label("path coordinate / Å", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 5, "text-anchor": "middle" });
  const upright = svg("text", { class: "axis", "text-anchor": "middle", transform: `translate(12 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)` });
  upright.textContent = "energy / eV";
  picture.append(upright);
  const plot = svg("g", { "clip-path": "url(#plot-area)" });
  picture.append(plot);
  const points = [];
  // The chosen ion is drawn last, over the others.
  for (const ion of [...drawn].sort((one, two) => Number(one.chosen) - Number(two.chosen))) {
    const kind = `ion-${ion.order % 4}${ion.is_barrier ? "" : " no-barrier"}${ion.chosen ? "" : " beside"}`;
    const d = ion.curve.x.map((value, k) => `${k ? "L" : "M"}${x(value).toFixed(2)} ${y(ion.curve.y[k]).toFixed(2)}`).join("");
    plot.append(svg("path", { d, class: `curve ${kind}` }));
    ion.energies.forEach((energy, k) => {
      const dot = marker(ion.order % 2 === 1, x(ion.coordinates[k]), y(energy), ion.chosen ? 4 : 3, { class: `point ${kind}` });
      plot.append(dot);
      if (ion.chosen) {
        const target = svg("circle", { cx: x(ion.coordinates[k]), cy: y(energy), r: 13, class: "target" });
        target.addEventListener("click", () => jump(k));
        points.push(target);
      }
    });
  }
  const chosen = drawn.find((ion) => ion.chosen);
  const line = svg("line", { y1: TOP - 6, y2: HEIGHT - BOTTOM, class: "now-line" });
  const mark = chosen ? marker(chosen.order % 2 === 1, 0, 0, 6, { class: `now ion-${chosen.order % 4}${chosen.is_barrier ? "" : " no-barrier"}` }) : null;
  if (mark) {
    plot.append(line, mark, ...points);
  }
  holder.replaceChildren(picture);
  return (place) => {
    if (!mark) return;
    const at = Math.min(chosen.coordinates.length - 1, Math.max(0, place));
    const before = Math.floor(at);
    const after = Math.min(chosen.coordinates.length - 1, before + 1);
    const s = chosen.coordinates[before] + (at - before) * (chosen.coordinates[after] - chosen.coordinates[before]);
    const energy = Number.isInteger(at) ? chosen.energies[before] : along(chosen.curve, s);
    mark.setAttribute("transform", `translate(${x(s).toFixed(2)} ${y(energy).toFixed(2)})`);
    line.setAttribute("x1", x(s).toFixed(2));
    line.setAttribute("x2", x(s).toFixed(2));
  };
}
