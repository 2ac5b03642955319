// One clock for the profile and the path in space: play, pause, and the slider.

import { byId, fixed } from "./dom.js";
import { change } from "./place.js";

const PACE = 2.2; // images a second
const still = matchMedia("(prefers-reduced-motion: reduce)");

const slider = byId("image");
const button = byId("play");
let listeners = [];
let record = null;
let at = 0;
let way = 1;
let frame = 0;
let before = 0;

function tell(image) {
  const { coordinates, energies } = record.profile;
  const parts = [`image ${image + 1} of ${Number(slider.max) + 1}`];
  if (image < energies.length) {
    parts.push(`${fixed(coordinates[image], 2)} Å`, `${fixed(energies[image])} eV`);
  }
  const text = parts.join(" · ");
  byId("image-text").textContent = text;
  slider.setAttribute("aria-valuetext", text);
}

function show(place) {
  at = place;
  const image = Math.round(place);
  if (Number(slider.value) !== image) slider.value = String(image);
  tell(image);
  for (const listener of listeners) listener(place);
}

function step(now) {
  const seconds = Math.min(0.1, (now - before) / 1000);
  before = now;
  const last = Number(slider.max);
  let next = at + way * PACE * seconds;
  if (next >= last || next <= 0) {
    next = Math.min(last, Math.max(0, next));
    way = -way;
  }
  // Who asked for less motion gets one image after the other.
  at = next;
  const shown = still.matches ? Math.round(next) : next;
  const image = Math.round(next);
  if (Number(slider.value) !== image) {
    slider.value = String(image);
    tell(image);
  }
  for (const listener of listeners) listener(shown);
  frame = requestAnimationFrame(step);
}

export function pause() {
  if (!frame) return;
  cancelAnimationFrame(frame);
  frame = 0;
  button.textContent = "Play";
  goTo(Math.round(at));
}

function play() {
  if (frame || Number(slider.max) === 0) return;
  if (at >= Number(slider.max)) way = -1;
  else if (at <= 0) way = 1;
  button.textContent = "Pause";
  before = performance.now();
  frame = requestAnimationFrame(step);
}

/** Stop at an image and write it into the address. */
export function goTo(image) {
  if (frame) {
    cancelAnimationFrame(frame);
    frame = 0;
    button.textContent = "Play";
  }
  show(Math.min(Number(slider.max), Math.max(0, image)));
  change({ image: String(Math.round(at)) });
  byId("link").href = location.href;
}

/** Take up a record; its listeners are called with a place between the images. */
export function load(loaded, image, called) {
  if (frame) cancelAnimationFrame(frame);
  frame = 0;
  button.textContent = "Play";
  record = loaded;
  listeners = called;
  way = 1;
  const images = Math.max(loaded.profile.energies.length, loaded.scene?.positions.length ?? 0);
  slider.max = String(Math.max(0, images - 1));
  slider.disabled = images < 2;
  button.disabled = images < 2;
  goTo(image);
}

export function listenToPlayer() {
  button.addEventListener("click", () => (frame ? pause() : play()));
  slider.addEventListener("input", () => goTo(Number(slider.value)));
}
