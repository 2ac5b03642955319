// The distinct hops of a framework: orbits of sites, joined by hops in the colours of barriers.

import { byId, el, fixed, svg } from "./dom.js";
import { colour } from "./scale.js";

const WIDTH = 600;

function layout(sites, petals) {
  if (sites.length === 1) return { height: Math.max(190, petals > 4 ? 300 : 240), at: [[WIDTH / 2, Math.max(190, petals > 4 ? 300 : 240) / 2]] };
  if (sites.length === 2) return { height: 240, at: [[170, 120], [430, 120]] };
  const height = 340;
  const at = sites.map((_, k) => {
    const angle = (2 * Math.PI * k) / sites.length - Math.PI / 2;
    return [WIDTH / 2 + 190 * Math.cos(angle), height / 2 + 115 * Math.sin(angle)];
  });
  return { height, at };
}

/** A loop that leaves an orbit in a direction and comes back: a hop between equal sites. */
function petal([x, y], angle, length, width) {
  const tip = (turn, far) => `${x + far * Math.cos(angle + turn)} ${y + far * Math.sin(angle + turn)}`;
  return {
    d: `M${x} ${y}C${tip(-width, length * 1.5)} ${tip(width, length * 1.5)} ${x} ${y}`,
    label: [x + length * 1.2 * Math.cos(angle), y + length * 1.2 * Math.sin(angle)],
  };
}

function arc([x1, y1], [x2, y2], bend) {
  const [mx, my] = [(x1 + x2) / 2, (y1 + y2) / 2];
  const far = Math.hypot(x2 - x1, y2 - y1) || 1;
  const [nx, ny] = [-(y2 - y1) / far, (x2 - x1) / far];
  const at = [mx + nx * bend * 2, my + ny * bend * 2];
  return { d: `M${x1} ${y1}Q${at[0]} ${at[1]} ${x2} ${y2}`, label: [mx + nx * bend, my + ny * bend] };
}

function ways(hops, sites, at) {
  const bundles = new Map();
  for (const hop of hops) {
    const ends = hop.orbits.map((orbit) => sites.indexOf(orbit)).sort((a, b) => a - b);
    const key = ends.join("-");
    if (!bundles.has(key)) bundles.set(key, { ends, hops: [] });
    bundles.get(key).hops.push(hop);
  }
  const middle = at.reduce((sum, [x, y]) => [sum[0] + x / at.length, sum[1] + y / at.length], [0, 0]);
  const drawn = [];
  for (const { ends, hops: bundle } of bundles.values()) {
    const [a, b] = ends;
    bundle.forEach((hop, k) => {
      if (a === b) {
        const alone = sites.length === 1;
        const outward = alone ? 0 : Math.atan2(at[a][1] - middle[1], at[a][0] - middle[0]);
        const fan = alone ? (2 * Math.PI) / bundle.length : Math.min(1.1, 2.6 / bundle.length);
        const angle = outward + (alone ? k * fan : (k - (bundle.length - 1) / 2) * fan);
        const reach = alone ? 84 : 62;
        drawn.push({ hop, ...petal(at[a], angle, reach, Math.min(0.5, fan * 0.42)) });
      } else drawn.push({ hop, ...arc(at[a], at[b], (k - (bundle.length - 1) / 2) * 44) });
    });
  }
  return drawn;
}

function picture(network) {
  const sites = [...new Set(network.hops.flatMap((hop) => hop.orbits))].sort();
  const most = network.hops.filter((hop) => hop.orbits[0] === hop.orbits[1]).length;
  const { height, at } = layout(sites, most);
  const told = network.hops.map((hop) => `${hop.class_id} joins ${hop.orbits.join(" and ")}`).join("; ");
  const made = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, role: "img", "aria-label": `Hop network. ${told}` });
  const labels = [];
  for (const { hop, d, label } of ways(network.hops, sites, at)) {
    const shown = hop.ions.find((ion) => ion.ion === network.ion);
    const known = shown && shown.barrier !== null;
    made.append(svg("path", { d, class: hop.class_id === network.chosen ? "hop-halo" : "hop-edge" }));
    const line = svg("path", { d, class: known ? "hop" : "hop closed" });
    if (known) line.style.stroke = colour(shown.barrier);
    made.append(line);
    const text = svg("text", { x: label[0], y: label[1] + 4, "text-anchor": "middle", class: "hop-label" });
    text.textContent = known ? `${hop.class_id} ${fixed(shown.barrier, 2)}` : hop.class_id;
    labels.push(text);
  }
  at.forEach(([x, y], k) => {
    const name = svg("text", { x, y: y + 4, "text-anchor": "middle", class: "site-label" });
    name.textContent = sites[k];
    made.append(svg("circle", { cx: x, cy: y, r: 19, class: "site" }), name);
  });
  made.append(...labels);
  return made;
}

export function drawNetwork(network, open) {
  byId("network-title").textContent = `Hop network of ${network.framework}`;
  byId("network-note").textContent =
    `${network.ion} by ${network.mechanism}: orbits of sites, and the distinct hops between them; ` +
    "harder direction, in eV. Dashed: no barrier. " +
    (network.left_out ? `${network.left_out} more classes are not drawn.` : "");
  byId("network").replaceChildren(network.hops.length ? picture(network) : el("p", { className: "faint", textContent: "No hops." }));
  const head = ["hop", "sites", "length / Å", "per cell", ...network.ions].map((text, k) =>
    el("th", { textContent: text, className: k > 1 ? "number" : "", attr: { scope: "col" } }),
  );
  const rows = network.hops.map((hop) =>
    el(
      "tr",
      { attr: hop.class_id === network.chosen ? { "aria-current": "true" } : {} },
      el("th", { textContent: hop.class_id, attr: { scope: "row" } }),
      el("td", { textContent: hop.orbits.join("–") }),
      el("td", { textContent: fixed(hop.length, 2), className: "number" }),
      el("td", { textContent: hop.multiplicity, className: "number" }),
      ...network.ions.map((ion) => {
        const found = hop.ions.find((each) => each.ion === ion);
        if (!found) return el("td", { textContent: "–", className: "number faint" });
        const link = el("a", {
          href: `?record=${encodeURIComponent(found.record_id)}`,
          textContent: found.barrier === null ? found.outcome_text : fixed(found.barrier),
        });
        link.setAttribute("aria-label", `${ion}, ${hop.class_id}: ${link.textContent}`);
        link.addEventListener("click", (event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          open(found.record_id);
        });
        return el("td", { className: "number" }, link);
      }),
    ),
  );
  byId("hops").replaceChildren(el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows));
}
