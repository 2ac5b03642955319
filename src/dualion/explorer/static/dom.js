// Making elements. Every text goes in as text: nothing from a store is ever read as HTML.

export const byId = (id) => document.getElementById(id);

/** Make an element with properties, attributes (after `attr`), and children. */
export function el(tag, properties = {}, ...children) {
  const { attr = {}, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(attr)) made.setAttribute(name, String(value));
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Make an SVG element. */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/** A number with so many decimals and a real minus sign; an en dash where there is none. */
export function fixed(value, digits = 3) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  const text = value.toFixed(digits);
  return /^-0\.?0*$/.test(text) ? text.slice(1) : text.replace("-", "−");
}

/** A number with its unit, or nothing. */
export const measure = (value, unit, digits = 3) =>
  typeof value === "number" ? `${fixed(value, digits)} ${unit}` : "";

const thousands = new Intl.NumberFormat("en-GB"); // made once: making it takes longer than using it

export const grouped = (number) => thousands.format(number).replaceAll(",", " ");

export const counted = (number, noun) => `${grouped(number)} ${noun}${number === 1 ? "" : "s"}`;

/** Fill a list of names and values; empty values are left out. */
export function describe(list, pairs) {
  const parts = [];
  for (const [name, value] of pairs) {
    if (value !== "" && value !== null && value !== undefined) {
      parts.push(el("div", {}, el("dt", { textContent: name }), el("dd", { textContent: value })));
    }
  }
  list.replaceChildren(...parts);
}

/** Ask the server; an answer that is an error becomes one, with the server's own words. */
export async function ask(path, query, signal) {
  const response = await fetch(query ? `${path}?${query}` : path, { signal });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? `${path}: ${response.status}`);
  return answer;
}
