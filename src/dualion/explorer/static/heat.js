// The map of frameworks and pairs: one row for each framework and supercell, never mixed.

import { byId, counted, el, fixed } from "./dom.js";
import { change, current } from "./place.js";
import { paint } from "./scale.js";

const pressed = (row, ion) =>
  current().framework === row.framework && current().cell === row.cell && current().ion === ion;

function chip(row, pair, entry, refresh) {
  const known = entry.barrier !== null;
  const made = el("button", {
    type: "button",
    className: known ? "chip" : "chip none",
    title:
      `${entry.ion} in ${row.framework}${row.size ? `, ${row.size} cell` : ""}: ` +
      (known
        ? `lowest of ${counted(entry.barriers, "barrier")}, ${counted(entry.count, "record")}`
        : `no barrier in ${counted(entry.count, "record")}`),
    attr: { "aria-pressed": pressed(row, entry.ion) },
  });
  made.append(
    el("span", { className: "ion", textContent: entry.ion }),
    el("span", { textContent: known ? fixed(entry.barrier, 2) : "none" }),
  );
  if (known) paint(made, entry.barrier);
  made.addEventListener("click", () => {
    const off = pressed(row, entry.ion);
    change({
      framework: off ? "" : row.framework,
      cell: off ? "" : row.cell,
      ion: off ? "" : entry.ion,
      pair: "",
      offset: "",
      sort: off ? current().sort : "barrier",
    });
    refresh();
  });
  made.dataset.key = `${row.framework}|${row.cell}|${entry.ion}|${pair}`;
  return made;
}

export function drawMap(heat, refresh) {
  const place = byId("map");
  const held = place.contains(document.activeElement) ? document.activeElement.dataset.key : "";
  if (heat.rows.length === 0) {
    place.replaceChildren(el("p", { className: "note faint", textContent: "No records to map." }));
    byId("map-note").textContent = "";
    return;
  }
  const head = el(
    "tr",
    {},
    el("th", { textContent: "framework", attr: { scope: "col" } }),
    ...heat.pairs.map((pair) => el("th", { textContent: pair.text, attr: { scope: "col" } })),
  );
  const rows = heat.rows.map((row) =>
    el(
      "tr",
      {},
      el(
        "th",
        { attr: { scope: "row" } },
        el("span", { textContent: row.framework, title: row.framework }),
        row.size ? el("small", { className: "faint", textContent: row.size }) : null,
      ),
      ...heat.pairs.map((pair) =>
        el("td", {}, ...(row.cells[pair.key] ?? []).map((each) => chip(row, pair.key, each, refresh))),
      ),
    ),
  );
  place.replaceChildren(el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows)));
  if (held) [...place.querySelectorAll("button")].find((b) => b.dataset.key === held)?.focus();
  byId("map-note").textContent =
    "The harder direction of the easiest hop, at the level of theory above; each size of cell has " +
    `its own row. ${heat.left_out ? `${counted(heat.left_out, "more row")}: filter to see them.` : ""}`;
}
