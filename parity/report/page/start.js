// Everything that needs a script, started. Without it the page can still be read: it lacks filters and single findings.

/** A link leads to what may be folded away. */
function unfold() {
  let target = null;
  try {
    target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  } catch {
    return;
  }
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
  addEventListener("hashchange", () => cells.named(decodeURIComponent(location.hash.slice(1))));
  if (location.hash.includes("/")) cells.named(decodeURIComponent(location.hash.slice(1)));
  document.documentElement.dataset.ready = "";
}

start();
