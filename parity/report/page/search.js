// One search over operations, divergences and mutants, by all words of a query, in any of their text or code.

const KINDS = { operation: "#matrix tbody[id]", divergence: "details.divergence", mutant: "article.mutant" };
const MOST_FOUND = 30; // of each kind

function search() {
  const [field, box] = [$("#search"), $("#found")];
  let entries = null;
  field.parentElement.hidden = false;
  const read = () => {
    entries ||= Object.entries(KINDS).flatMap(([kind, selector]) => $$(selector).map(each => entryOf(kind, each)));
  };
  field.addEventListener("focus", read); // before the first letter
  field.addEventListener("input", () => {
    read();
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = words.length ? entries.filter(({ text }) => words.every(word => text.includes(word))) : [];
    box.hidden = !words.length;
    box.replaceChildren(make("p", {}, found.length ? plural(found.length, "hit") : "Nothing has all of these words."));
    for (const kind of Object.keys(KINDS)) box.append(...hits(found.filter(each => each.kind === kind), kind));
  });
  const close = () => (box.hidden = true);
  field.addEventListener("focus", () => (box.hidden = !field.value.trim()));
  box.addEventListener("click", event => event.target.closest("a") && close());
  addEventListener("keydown", event => event.key === "Escape" && close());
  addEventListener("click", event => event.target.closest(".search") || close());
}

/** What is searched of an element, and how it is named in the list of hits. */
function entryOf(kind, element) {
  const heads = { operation: "th span", divergence: "summary > span", mutant: "h4" };
  const title = $(heads[kind], element).textContent;
  return { kind, id: element.id, title, text: `${element.id} ${element.textContent}`.toLowerCase() };
}

/** The hits of one kind as links, in the order of the page. */
function hits(found, kind) {
  if (!found.length) return [];
  const link = ({ id, title }) => make("li", {}, make("a", { href: `#${id}` }, title));
  const more = found.length - MOST_FOUND;
  const rest = more > 0 ? make("li", {}, `and ${more} more`) : "";
  return [make("p", { class: "kind" }, plural(found.length, kind)), make("ul", {}, ...found.slice(0, MOST_FOUND).map(link), rest)];
}
