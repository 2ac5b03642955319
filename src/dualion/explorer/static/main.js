// The page: asks for what the address says, and draws it.

import { ask, byId } from "./dom.js";
import { drawFilters, listenToFilters } from "./filters.js";
import { drawMap } from "./heat.js";
import { current, filterQuery, onTravel, tableQuery } from "./place.js";
import { listenToPlayer } from "./player.js";
import { openRecord, redraw } from "./record.js";
import { drawLegend, readColours } from "./scale.js";
import { listenToScene } from "./scene.js";
import { drawTable, listenToKeys } from "./table.js";

let running = null;
let view = null;

function trouble(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = !text;
}

async function guarded(work) {
  running?.abort();
  running = new AbortController();
  document.body.setAttribute("aria-busy", "true");
  try {
    await work(running.signal);
    trouble("");
  } catch (error) {
    if (error.name === "AbortError") return;
    trouble(error.message);
  }
  document.body.removeAttribute("aria-busy");
}

const open = (id) => openRecord(id, { focus: innerWidth < 1080 });

function drawRows(table) {
  drawTable(table, { refresh: turnPage, open });
}

const turnPage = () =>
  guarded(async (signal) => drawRows(await ask("api/rows", tableQuery(), signal)));

const refresh = () =>
  guarded(async (signal) => {
    view = await ask("api/view", tableQuery(), signal);
    byId("store").textContent = view.store;
    byId("csv").href = `download/barriers.csv?${filterQuery()}`;
    drawFilters(view);
    drawMap(view.heat, refresh);
    drawRows(view.table);
  });

function paintAll() {
  readColours();
  drawLegend(byId("legend"));
}

async function start() {
  paintAll();
  listenToFilters(refresh);
  listenToKeys();
  listenToPlayer();
  listenToScene();
  document.addEventListener("themechange", () => {
    paintAll();
    if (view) {
      drawMap(view.heat, refresh);
      drawRows(view.table);
    }
    redraw();
  });
  onTravel(() => {
    refresh();
    const { record, image } = current();
    if (record) openRecord(record, { image: Number(image ?? 0), step: false });
  });
  const { record, image } = current();
  // Both at once: a link to a record does not wait for the table.
  const shown = record
    ? openRecord(record, { image: image === undefined ? null : Number(image), step: false })
    : null;
  await refresh();
  if (shown) await shown;
  else if (view?.table.rows.length && innerWidth >= 1080) {
    const first = view.table.rows.find((row) => row.is_barrier) ?? view.table.rows[0];
    await openRecord(first.record_id, { step: false });
  }
  document.body.dataset.ready = "yes";
}

start();
