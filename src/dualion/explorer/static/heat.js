// The map of frameworks and pairs: one row for each framework and supercell, never mixed.

import { byId, counted, el, fixed } from "./dom.js";
import { change, current } from "./place.js";
import { paint } from "./scale.js";

const AT_ONCE = 40; // rows; the others follow in steps, so that the page answers meanwhile
const STEP = 60;
const PAUSE = 30; // ms, in which what is there comes onto the screen

let drawing = 0;

const pressed = (now, row, ion) =>
  now.framework === row.framework && now.cell === row.cell && now.ion === ion;

function chip(row, pair, entry, now, refresh) {
  const known = entry.barrier !== null;
  const made = el("button", {
    type: "button",
    className: known ? "chip" : "chip none",
    title:
      `${entry.ion} in ${row.framework}${row.size ? `, ${row.size} cell` : ""}: ` +
      (known
        ? `lowest of ${counted(entry.barriers, "barrier")}, ${counted(entry.count, "record")}`
        : `no barrier in ${counted(entry.count, "record")}`),
    attr: { "aria-pressed": pressed(now, row, entry.ion) },
  });
  made.append(
    el("span", { className: "ion", textContent: entry.ion }),
    el("span", { textContent: known ? fixed(entry.barrier, 2) : "none" }),
  );
  if (known) paint(made, entry.barrier);
  made.addEventListener("click", () => {
    const off = pressed(current(), row, entry.ion);
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

function drawStep(body, rows, draw, until, mine) {
  if (mine !== drawing) return; // another map has taken its place
  const from = body.rows.length;
  body.append(...rows.slice(from, until).map(draw));
  if (until < rows.length) setTimeout(drawStep, PAUSE, body, rows, draw, until + STEP, mine);
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
  const now = current();
  const draw = (row) =>
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
        el("td", {}, ...(row.cells[pair.key] ?? []).map((each) => chip(row, pair.key, each, now, refresh))),
      ),
    );
  const body = el("tbody");
  // What was chosen is drawn at once, wherever it stands: the focus goes back to it.
  const chosen = heat.rows.findIndex((row) => row.framework === now.framework && row.cell === now.cell);
  drawStep(body, heat.rows, draw, Math.max(AT_ONCE, chosen + 1), (drawing += 1));
  place.replaceChildren(el("table", {}, el("thead", {}, head), body));
  if (held) [...place.querySelectorAll("button")].find((b) => b.dataset.key === held)?.focus();
  byId("map-note").textContent =
    "The harder direction of the easiest hop, at the level of theory above; each size of cell has " +
    `its own row. ${heat.left_out ? `${counted(heat.left_out, "more row")}: filter to see them.` : ""}`;
}
