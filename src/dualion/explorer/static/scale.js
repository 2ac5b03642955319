// One scale of colours for barriers, in the map, the table and the network.

import { el, svg } from "./dom.js";

export const TOP = 1.2; // eV; what is higher has the last colour
const TICKS = [0, 0.3, 0.6, 0.9, 1.2];

let stops = [];

/** Read the colours of the theme that is shown now. */
export function readColours() {
  const style = getComputedStyle(document.documentElement);
  stops = ["--barrier-0", "--barrier-1", "--barrier-2", "--barrier-3", "--barrier-4"].map((name) => {
    const hex = style.getPropertyValue(name).trim();
    return [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  });
}

function mixed(barrier) {
  const place = (Math.min(TOP, Math.max(0, barrier)) / TOP) * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(place));
  return stops[low].map((value, k) => value + (stops[low + 1][k] - value) * (place - low));
}

const text = (rgb) => `rgb(${rgb.map((value) => Math.round(value)).join(" ")})`;

export const colour = (barrier) => text(mixed(barrier));

const linear = (value) =>
  value <= 10.31475 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4;

/** Black or white, whichever reads better on the colour of a barrier. */
export function ink(barrier) {
  const [r, g, b] = mixed(barrier).map(linear);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}

/** Paint an element with the colour of a barrier. */
export function paint(element, barrier) {
  element.style.backgroundColor = colour(barrier);
  element.style.color = ink(barrier);
}

export function drawLegend(place) {
  const bar = svg("svg", { viewBox: "0 0 214 26", "aria-hidden": "true", focusable: "false" });
  const shade = svg("linearGradient", { id: "barrier-scale" });
  for (let k = 0; k < stops.length; k += 1) {
    const share = k / (stops.length - 1);
    shade.append(svg("stop", { offset: share, "stop-color": colour(share * TOP) }));
  }
  bar.append(shade, svg("rect", { x: 12, y: 2, width: 180, height: 9, fill: "url(#barrier-scale)" }));
  for (const tick of TICKS) {
    const label = svg("text", { x: 12 + (tick / TOP) * 180, y: 23, "text-anchor": "middle" });
    label.textContent = tick === TOP ? "≥ 1.2" : tick.toFixed(1);
    bar.append(label);
  }
  place.setAttribute("aria-label", "Colours of barriers from 0 to 1.2 electronvolts");
  place.replaceChildren(bar, el("span", { textContent: "eV" }));
}
