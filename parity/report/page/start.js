// Everything that needs a script, started. Without it the page can still be read: it lacks filters and single findings.

/** What the address names; nothing where that is no text. */
function addressed() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

/** A link leads to what may be folded away. */
function unfold() {
  const target = document.getElementById(addressed());
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  if (target) target.scrollIntoView();
}

async function start() {
  theme();
  addEventListener("hashchange", unfold);
  for (const box of $$(".command")) copyable(box);
  unfold();
  const data = await unpack();
  const cells = dialog(data);
  matrix(data, cells.open);
  for (const button of $$("button[data-cell]"))
    button.addEventListener("click", () => cells.named(button.dataset.cell));
  for (const hint of $$(".open")) hint.hidden = false;
  addEventListener("hashchange", () => cells.named(addressed()));
  if (location.hash.includes("/")) cells.named(addressed());
  document.documentElement.dataset.ready = "";
}

start();
