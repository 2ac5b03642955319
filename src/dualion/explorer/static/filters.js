// The row of filters. The server says which values there are, and how many records have each.

import { byId, el, grouped } from "./dom.js";
import { change, clear, current } from "./place.js";

const form = byId("filters");
const CHOICES = ["framework", "pair", "ion", "arrangement", "mechanism", "outcome", "campaign"];

const option = (value, text, title = "") => el("option", { value, textContent: text, title });

export function drawFilters(view) {
  const level = form.elements.level;
  level.replaceChildren(
    ...view.levels.map((each) =>
      option(each.id, `${each.label} (${grouped(each.count)})`, each.detail),
    ),
  );
  level.value = view.level ?? "";
  level.disabled = view.levels.length === 0;
  for (const name of CHOICES) {
    const wanted = current()[name] ?? "";
    const known = view.facets[name];
    const options = known.map(({ value, text, count }) =>
      option(value, `${text ?? value} (${grouped(count)})`),
    );
    // A value that is asked for and has no record is still shown: it is what empties the page.
    if (wanted && !known.some(({ value }) => value === wanted)) {
      options.unshift(option(wanted, `${wanted} (0)`));
    }
    form.elements[name].replaceChildren(option("", "any"), ...options);
    form.elements[name].value = wanted;
  }
  for (const name of ["min", "max"]) {
    const field = form.elements[name];
    if (document.activeElement !== field) field.value = current()[name] ?? "";
  }
}

export function listenToFilters(refresh) {
  let timer = 0;
  const take = (field) => {
    const parts = { [field.name]: field.value, offset: "" };
    if (["level", "framework"].includes(field.name)) parts.cell = "";
    change(parts);
    refresh();
  };
  form.addEventListener("input", ({ target }) => {
    clearTimeout(timer);
    // A number is typed digit by digit: the server is asked when the hand rests.
    timer = setTimeout(() => take(target), target.type === "number" ? 250 : 0);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  byId("reset").addEventListener("click", () => {
    clear();
    for (const name of ["min", "max"]) form.elements[name].value = "";
    refresh();
  });
}
