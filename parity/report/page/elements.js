// Find and make elements of the page.

const $ = (selector, within = document) => within.querySelector(selector);
const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

/** An element with attributes and children; text is never parsed. */
function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "g", "rect", "text", "title", "path", "pattern", "line", "defs"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter(child => child !== null && child !== ""));
  return element;
}

/** A table from names of columns and its rows. */
function table(attributes, heads, rows) {
  const head = make("tr", {}, ...heads.map(name => (name ? make("th", { scope: "col" }, name) : make("td"))));
  return make("table", attributes, make("thead", {}, head), make("tbody", {}, ...rows));
}
