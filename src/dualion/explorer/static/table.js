// The table of records: sorted and cut into pages by the server.

import { byId, counted, el, fixed, grouped } from "./dom.js";
import { change, current } from "./place.js";
import { colour } from "./scale.js";

const COLUMNS = [
  { key: "framework", text: "framework", style: "name" },
  { key: "moving_ion", text: "ion" },
  { key: "host_ion", text: "host", style: "extra" },
  { key: "arrangement", text: "surroundings" },
  { key: "hop_class", text: "hop" },
  { key: "barrier", text: "barrier / eV", style: "number" },
  { key: "forward", text: "forward", style: "number spare" },
  { key: "reverse", text: "reverse", style: "number spare" },
  { key: "outcome", text: "outcome" },
  { key: "campaign", text: "campaign", style: "extra" },
  { key: "created", text: "made", style: "extra" },
];

const sorting = () => {
  const [column, way] = (current().sort ?? "framework").split(":");
  return { column, descends: way === "desc" };
};

function drawHead(refresh) {
  const { column, descends } = sorting();
  const cells = COLUMNS.map(({ key, text, style = "" }) => {
    const chosen = key === column;
    const button = el("button", { type: "button", textContent: text });
    button.dataset.sort = key;
    button.addEventListener("click", () => {
      change({ sort: chosen && !descends ? `${key}:desc` : key, offset: "" });
      refresh();
    });
    return el(
      "th",
      {
        className: style,
        attr: {
          scope: "col",
          ...(chosen ? { "aria-sort": descends ? "descending" : "ascending" } : {}),
        },
      },
      button,
    );
  });
  const head = byId("barriers").tHead;
  const held = head.contains(document.activeElement) ? document.activeElement.dataset.sort : "";
  head.replaceChildren(el("tr", {}, ...cells));
  if (held) head.querySelector(`[data-sort="${held}"]`)?.focus();
}

const CELLS = {
  barrier: (row) => {
    if (row.barrier === null) return [el("span", { className: "faint", textContent: "–" })];
    const swatch = el("i", { className: "swatch", attr: { "aria-hidden": "true" } });
    swatch.style.backgroundColor = colour(row.barrier);
    return [swatch, fixed(row.barrier)];
  },
  forward: (row) => [fixed(row.forward)],
  reverse: (row) => [fixed(row.reverse)],
  hop_class: (row) => [row.member ? `${row.hop_class} #${row.member}` : row.hop_class],
  outcome: (row) => [el("span", { className: row.is_barrier ? "" : "word", textContent: row.outcome_text })],
  created: (row) => [row.created.slice(0, 10)],
};

function drawRow(row, open) {
  const link = el("a", { href: `?record=${encodeURIComponent(row.record_id)}`, textContent: row.framework, title: row.framework });
  const made = el(
    "tr",
    {},
    ...COLUMNS.map(({ key, style = "" }) =>
      el("td", { className: style }, ...(key === "framework" ? [link] : (CELLS[key] ?? ((r) => [r[key]]))(row))),
    ),
  );
  made.dataset.id = row.record_id;
  made.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab, as asked
    event.preventDefault();
    open(row.record_id);
  });
  return made;
}

export function markRow(id) {
  for (const row of byId("barriers").tBodies[0].rows) {
    if (row.dataset.id === id) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

export function drawTable(table, { refresh, open }) {
  drawHead(refresh);
  const body = byId("barriers").tBodies[0];
  const none = el("tr", {}, el("td", { className: "faint", colSpan: COLUMNS.length, textContent: "No record passes the filter." }));
  body.replaceChildren(...(table.rows.length ? table.rows.map((row) => drawRow(row, open)) : [none]));
  markRow(current().record);
  const last = table.offset + table.rows.length;
  byId("count").textContent = counted(table.count, "record");
  byId("page").textContent = table.rows.length
    ? `${grouped(table.offset + 1)}–${grouped(last)} of ${grouped(table.count)}`
    : "";
  byId("before").disabled = table.offset === 0;
  byId("after").disabled = last >= table.count;
  byId("before").onclick = () => turn(Math.max(0, table.offset - table.limit), refresh);
  byId("after").onclick = () => turn(table.offset + table.limit, refresh);
}

function turn(offset, refresh) {
  change({ offset: offset ? String(offset) : "" });
  refresh();
}

/** Arrow keys go from row to row; Home and End to the first and last. */
export function listenToKeys() {
  const body = byId("barriers").tBodies[0];
  body.addEventListener("keydown", (event) => {
    const links = [...body.querySelectorAll("a")];
    const at = links.indexOf(event.target);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: links.length - 1 }[event.key];
    if (at < 0 || to === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    links[Math.min(links.length - 1, Math.max(0, to))].focus();
  });
}
