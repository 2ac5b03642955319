// What is shown is written in the address, so that it can be linked to, and reloaded.

const FILTERS = [
  "level", "framework", "cell", "pair", "ion", "arrangement", "mechanism", "outcome", "campaign",
  "min", "max",
];
const KEYS = [...FILTERS, "sort", "offset", "record", "image"];

function read() {
  const found = {};
  for (const [key, value] of new URLSearchParams(location.search)) {
    if (KEYS.includes(key) && value) found[key] = value;
  }
  return found;
}

let state = read();

export const current = () => state;

const written = (keys) => {
  const query = new URLSearchParams();
  for (const key of keys) if (state[key]) query.set(key, state[key]);
  return query.toString();
};

/** The part of the address that chooses records, for the server. */
export const filterQuery = () => written(FILTERS);
export const tableQuery = () => written([...FILTERS, "sort", "offset"]);

/** The whole address of what is shown. */
export const address = () => `${location.origin}${location.pathname}?${written(KEYS)}`;

/** Change some parts; an empty value takes a part away. */
export function change(parts, { step = false } = {}) {
  state = { ...state, ...parts };
  for (const key of Object.keys(state)) if (!state[key]) delete state[key];
  const query = written(KEYS);
  const target = query ? `?${query}` : location.pathname;
  if (step) history.pushState(null, "", target);
  else history.replaceState(null, "", target);
}

/** Take every filter away, the level of theory excepted. */
export function clear() {
  const none = Object.fromEntries(FILTERS.filter((key) => key !== "level").map((key) => [key, ""]));
  change({ ...none, offset: "" });
}

/** Call back when the reader goes back or forth in the history. */
export function onTravel(callback) {
  addEventListener("popstate", () => {
    state = read();
    callback();
  });
}
