// One record: its numbers, its evidence, where it comes from, and the other ion beside it.

import { ask, byId, describe, el, fixed, measure } from "./dom.js";
import { drawNetwork } from "./network.js";
import { change, current } from "./place.js";
import { goTo, load } from "./player.js";
import { drawProfile } from "./profile.js";
import { moveScene, showScene } from "./scene.js";
import { markRow } from "./table.js";

let running = null;
let shown = null;

function drawIons(record, open) {
  const buttons = record.ions.map((ion, order) => {
    const made = el("button", {
      type: "button",
      className: `choice ion-${order % 4}`,
      attr: { "aria-pressed": ion.chosen },
    });
    const mark = el("i", { className: order % 2 ? "square" : "round", attr: { "aria-hidden": "true" } });
    made.append(mark, el("b", { textContent: ion.ion }), el("span", { textContent: ` ${ion.text}` }));
    if (ion.arrangement !== record.arrangement) {
      made.append(el("small", { className: "faint", textContent: ` ${ion.arrangement}` }));
    }
    made.addEventListener("click", () => {
      if (!ion.chosen) open(ion.record_id, { keep: true });
    });
    return made;
  });
  byId("ions").replaceChildren(...buttons);
}

function drawFacts(record) {
  const response = record.response ?? {};
  describe(byId("facts"), [
    ["forward", record.is_barrier ? measure(record.forward, "eV") : record.outcome_text],
    ["reverse", measure(record.reverse, "eV")],
    ["± numerics", measure(record.barrier_error, "eV")],
    ["fitted maximum", measure(record.forward_fit, "eV")],
    ["ΔE of sites", measure(record.energy_difference, "eV")],
    ["path of the ion", measure(record.path_length, "Å", 2)],
    ["largest anion shift", measure(response.largest_anion_displacement, "Å", 2)],
    ["image distance", measure(record.min_image_distance, "Å", 2)],
  ]);
  const notes = [record.note];
  if (record.ranking_only) notes.push("The cell is smaller than 10 Å: rank with this number, do not quote it.");
  if (record.broken_symmetry_host) notes.push("The symmetric host is no minimum; a lower form was used.");
  byId("record-note").textContent = notes.filter(Boolean).join(" ");
}

function tableOf(head, rows) {
  return el(
    "table",
    {},
    el("thead", {}, el("tr", {}, ...head.map(([text, style]) => el("th", { textContent: text, className: style, attr: { scope: "col" } })))),
    el("tbody", {}, ...rows.map((cells) => el("tr", {}, ...cells.map((text, k) => el("td", { textContent: text, className: head[k][1] }))))),
  );
}

function drawEvidence(record) {
  const rows = record.findings.map((one) => [
    one.check,
    `${fixed(one.value, 4)} ${one.unit}`,
    one.limit === null ? "–" : `${fixed(one.limit, 4)} ${one.unit}`,
    one.passed ? "passed" : "not passed",
  ]);
  byId("evidence").replaceChildren(
    rows.length
      ? tableOf([["check", ""], ["value", "number"], ["limit", "number"], ["result", ""]], rows)
      : el("p", { className: "faint", textContent: "No findings are kept." }),
    ...[["Verified", record.verified], ["Not verified", record.unverified]]
      .filter(([, checks]) => checks.length)
      .map(([name, checks]) => el("p", { className: "note", textContent: `${name}: ${checks.join("; ")}.` })),
  );
  const { coordinates, energies } = record.profile;
  byId("images").replaceChildren(
    energies.length
      ? tableOf(
          [["image", "number"], ["coordinate / Å", "number"], ["energy / eV", "number"]],
          energies.map((energy, k) => [String(k + 1), fixed(coordinates[k], 3), fixed(energy, 4)]),
        )
      : el("p", { className: "faint", textContent: "No band was run." }),
  );
}

function draw(record, open) {
  byId("record-title").textContent = `${record.moving_ion} in ${record.framework}, ${record.hop}`;
  byId("record-level").textContent =
    `${record.arrangement}, ${record.mechanism} · ${record.level} · ${record.cell} cell, ${record.formula}`;
  byId("record-body").hidden = false;
  drawIons(record, open);
  drawFacts(record);
  drawEvidence(record);
  describe(byId("provenance"), record.provenance);
  const id = encodeURIComponent(record.record_id);
  byId("json").href = `download/record.json?id=${id}`;
  byId("xyz").href = `download/path.extxyz?id=${id}`;
  byId("xyz").hidden = !record.scene;
  const mark = drawProfile(record.ions, goTo);
  showScene(record.scene, `Path of ${record.moving_ion} through ${record.framework}`);
  return mark;
}

/**
 * Open a record.
 *
 * `image`: where to stand; without it, at the highest image. `keep`: stay at the image.
 * `focus`: move the reader there. `step`: a new step of the history.
 */
export async function openRecord(id, { image = null, keep = false, focus = false, step = true } = {}) {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  const open = (other, options = {}) => openRecord(other, options);
  const before = current().image;
  try {
    const record = await ask("api/record", new URLSearchParams({ id }), signal);
    shown = record;
    if (current().record !== id) change({ record: id, image: "" }, { step });
    markRow(id);
    const mark = draw(record, open);
    const { energies } = record.profile;
    const top = energies.length ? energies.indexOf(Math.max(...energies)) : 0;
    load(record, keep ? Number(before ?? top) : (image ?? top), [mark, moveScene]);
    if (focus) {
      byId("record-title").focus({ preventScroll: true });
      byId("record").scrollIntoView({ block: "start" });
    }
    drawNetwork(await ask("api/network", new URLSearchParams({ id }), signal), (other) => open(other));
  } catch (error) {
    if (error.name === "AbortError") return;
    byId("record-title").textContent = "This record cannot be shown";
    byId("record-level").textContent = error.message;
    byId("record-body").hidden = true;
  }
}

/** Draw the network again in the colours of another theme. */
export function redraw() {
  if (shown) openRecord(shown.record_id, { keep: true, step: false });
}
