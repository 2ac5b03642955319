// The path in space: atoms, bonds, cell and the way of the ion, painted from back to front.

import { byId, el } from "./dom.js";

const TURN = 0.008; // radians for each pixel of a drag
const START = { turn: -0.5, tilt: 0.32, zoom: 1 };

const canvas = byId("scene");
const context = canvas.getContext("2d");
let scene = null;
let view = { ...START };
let place = 0;
let colours = {};
let sprites = new Map();
let asked = 0;

function readColours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  colours = { paper: read("--panel"), line: read("--cell-line"), bond: read("--bond"), path: read("--mover"), ink: read("--ink") };
  sprites = new Map();
}

/** A shaded ball, painted once for each colour. */
function sprite(colour, edge) {
  const key = `${colour} ${edge}`;
  let made = sprites.get(key);
  if (!made) {
    const size = 96;
    made = el("canvas", { width: size, height: size });
    const pen = made.getContext("2d");
    const half = size / 2;
    pen.beginPath();
    pen.arc(half, half, half - 2, 0, 2 * Math.PI);
    pen.fillStyle = colour;
    pen.fill();
    const light = pen.createRadialGradient(half * 0.7, half * 0.62, half * 0.05, half, half, half);
    light.addColorStop(0, "rgb(255 255 255 / 70%)");
    light.addColorStop(0.35, "rgb(255 255 255 / 12%)");
    light.addColorStop(0.75, "rgb(0 0 0 / 8%)");
    light.addColorStop(1, "rgb(0 0 0 / 38%)");
    pen.fillStyle = light;
    pen.fill();
    pen.lineWidth = edge ? 7 : 2;
    pen.strokeStyle = edge || "rgb(0 0 0 / 45%)";
    pen.stroke();
    sprites.set(key, made);
  }
  return made;
}

/** Positions of all atoms at a place between the images, straight from one to the next. */
function positions() {
  const last = scene.positions.length - 1;
  const at = Math.min(last, Math.max(0, place));
  const before = Math.floor(at);
  const share = at - before;
  if (share === 0) return scene.positions[before];
  const one = scene.positions[before];
  const two = scene.positions[before + 1];
  return one.map((xyz, k) => xyz.map((value, axis) => value + share * (two[k][axis] - value)));
}

/** A camera: from Å around the middle of the hop to pixels, and a depth towards the eye. */
function camera() {
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  const scale = (Math.min(width, height) / (2.06 * scene.reach)) * view.zoom;
  const [ct, st, cx, sx] = [Math.cos(view.turn), Math.sin(view.turn), Math.cos(view.tilt), Math.sin(view.tilt)];
  const eye = 4.5 * scene.reach;
  const project = ([x, y, z]) => {
    const right = ct * x + st * y;
    const away = -st * x + ct * y;
    const up = cx * z + sx * away;
    const depth = sx * z - cx * away;
    const near = eye / (eye - depth);
    return { x: width / 2 + right * scale * near, y: height / 2 - up * scale * near, depth, scale: scale * near };
  };
  return { width, height, project };
}

function paint() {
  asked = 0;
  if (!scene || canvas.clientWidth === 0) return;
  const sharp = Math.min(2, devicePixelRatio || 1);
  const { width, height, project } = camera();
  if (canvas.width !== Math.round(width * sharp) || canvas.height !== Math.round(height * sharp)) {
    canvas.width = Math.round(width * sharp);
    canvas.height = Math.round(height * sharp);
  }
  context.setTransform(sharp, 0, 0, sharp, 0, 0);
  context.clearRect(0, 0, width, height);
  const atoms = positions().map(project);
  const items = [];
  atoms.forEach((at, k) => items.push({ depth: at.depth, draw: () => ball(at, k) }));
  if (byId("show-bonds").checked) {
    for (const [i, j] of scene.bonds) {
      const [a, b] = [atoms[i], atoms[j]];
      items.push({ depth: (a.depth + b.depth) / 2 - 0.05, draw: () => stroke(a, b, 0.13, colours.bond) });
    }
  }
  if (byId("show-cell").checked) {
    for (const [a, b] of edges()) {
      const [one, two] = [project(a), project(b)];
      items.push({ depth: Math.min(one.depth, two.depth), draw: () => stroke(one, two, 0, colours.line) });
    }
  }
  const way = scene.way.map(project);
  for (let k = 1; k < way.length; k += 1) {
    const [a, b] = [way[k - 1], way[k]];
    items.push({ depth: (a.depth + b.depth) / 2 - 0.4, draw: () => stroke(a, b, 0.1, colours.path) });
  }
  way.forEach((at) => items.push({ depth: at.depth - 0.4, draw: () => dot(at, 0.16, colours.path) }));
  items.sort((one, two) => one.depth - two.depth);
  for (const { depth, draw } of items) {
    // What is far is pale, so that near and far are told apart.
    context.globalAlpha = Math.min(1, Math.max(0.28, 0.8 + (0.62 * depth) / scene.reach));
    draw();
  }
  context.globalAlpha = 1;
  canvas.dataset.drawn = `${place.toFixed(3)} ${items.length}`;
}

function ball(at, index) {
  const moves = index === scene.mover;
  const kind = scene.kinds[scene.species[index]];
  const size = kind.radius * (moves ? 0.72 : 0.46) * at.scale;
  if (moves) context.globalAlpha = 1;
  context.drawImage(sprite(kind.colour, moves ? colours.path : ""), at.x - size, at.y - size, 2 * size, 2 * size);
}

function dot(at, radius, colour) {
  context.beginPath();
  context.arc(at.x, at.y, radius * at.scale, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
}

function stroke(a, b, thickness, colour) {
  context.beginPath();
  context.moveTo(a.x, a.y);
  context.lineTo(b.x, b.y);
  context.lineWidth = thickness ? Math.max(1, (thickness * (a.scale + b.scale)) / 2) : 1;
  context.strokeStyle = colour;
  context.stroke();
}

function edges() {
  const corner = (i, j, k) =>
    scene.origin.map((o, axis) => o + i * scene.lattice[0][axis] + j * scene.lattice[1][axis] + k * scene.lattice[2][axis]);
  const lines = [];
  for (const p of [0, 1]) {
    for (const q of [0, 1]) {
      lines.push([corner(0, p, q), corner(1, p, q)], [corner(p, 0, q), corner(p, 1, q)], [corner(p, q, 0), corner(p, q, 1)]);
    }
  }
  return lines;
}

function repaint() {
  if (!asked) asked = requestAnimationFrame(paint);
}

/** Show a path, or nothing; `about` says in words what is shown. */
export function showScene(wanted, about) {
  scene = wanted;
  byId("viewer").hidden = !scene;
  byId("no-scene").hidden = Boolean(scene);
  if (!scene) return;
  scene.way = scene.positions.map((image) => image[scene.mover]).filter(Boolean);
  canvas.setAttribute("aria-label", `${about}. Drag or use the arrow keys to turn, plus and minus to zoom.`);
  byId("kinds").replaceChildren(
    ...Object.entries(scene.kinds).map(([symbol, kind]) => {
      const swatch = el("i", { className: "ball", attr: { "aria-hidden": "true" } });
      swatch.style.backgroundColor = kind.colour;
      return el("li", {}, swatch, symbol);
    }),
  );
  repaint();
}

/** Move the atoms to a place between the images, e.g. 2.5. */
export function moveScene(at) {
  place = at;
  repaint();
}

function zoom(factor) {
  view.zoom = Math.min(12, Math.max(0.4, view.zoom * factor));
  repaint();
}

function turn(right, down) {
  view.turn += right;
  view.tilt = Math.min(Math.PI / 2, Math.max(-Math.PI / 2, view.tilt + down));
  repaint();
}

function reset() {
  view = { ...START };
  repaint();
}

/** Angles and zoom, for a reader of the page's state. */
export const viewpoint = () => ({ ...view });

export function listenToScene() {
  const fingers = new Map();
  let spread = 0;
  const distance = () => {
    const [one, two] = [...fingers.values()];
    return Math.hypot(one.x - two.x, one.y - two.y);
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (fingers.size === 2) spread = distance();
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (fingers.size === 2) {
      const now = distance();
      if (spread > 0) zoom(now / spread);
      spread = now;
    } else turn((event.clientX - before.x) * TURN, (event.clientY - before.y) * TURN);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => fingers.delete(event.pointerId));
  }
  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      zoom(Math.exp(-0.0014 * event.deltaY));
    },
    { passive: false },
  );
  const keys = {
    ArrowLeft: () => turn(-0.12, 0),
    ArrowRight: () => turn(0.12, 0),
    ArrowUp: () => turn(0, -0.12),
    ArrowDown: () => turn(0, 0.12),
    "+": () => zoom(1.15),
    "=": () => zoom(1.15),
    "-": () => zoom(1 / 1.15),
    0: reset,
  };
  canvas.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  byId("view-reset").addEventListener("click", reset);
  for (const id of ["show-bonds", "show-cell"]) byId(id).addEventListener("change", repaint);
  new ResizeObserver(repaint).observe(canvas);
  readColours();
  document.addEventListener("themechange", () => {
    readColours();
    repaint();
  });
}
