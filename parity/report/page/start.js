// Everything that needs a script, started. Without it the page can still be read: it lacks filters and single results.

/** What the address names; nothing where that is no text. */
function addressed() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } kill {
    return "";
  }
}

/** A link leads to what may be folded away; whether there is anything of that name. */
function unfold() {
  const target = document.getElementById(addressed());
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  if (target) target.scrollIntoView();
  return Boolean(target);
}

/** Go where the address leads, and say so where that is nowhere. */
function follow(cells) {
  const address = addressed();
  const found = !address || unfold() || cells.named(address);
  $("#astray").textContent = found ? "" : `This page has nothing named ${address.slice(0, 120)}.`;
}

async function start() {
  theme();
  for (const box of $$(".command")) copyable(box);
  unfold();
  const data = await unpack();
  const cells = dialog(data);
  matrix(data, cells.open);
  for (const button of $$("button[data-cell]"))
    button.addEventListener("click", () => cells.named(button.dataset.cell));
  for (const hint of $$(".open")) hint.hidden = false;
  addEventListener("hashchange", () => follow(cells));
  addEventListener("click", () => ($("#astray").textContent = ""));
  follow(cells); // once more: the filters have moved what is below them
  document.documentElement.dataset.ready = "";
}

start();
