// Start everything that needs a script. Without it, the page lacks filters and single results, and can still be read.

/** The name in the address; empty where it cannot be decoded. */
function nameInAddress() {
  try {
    return decodeURIComponent(location.hash.slice(1));
  } catch {
    return "";
  }
}

/** Scroll to the element that the address names, unfolding what contains it; return whether there is one. */
function unfold() {
  const target = document.getElementById(nameInAddress());
  for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
  if (target) target.scrollIntoView();
  return Boolean(target);
}

/** Go where the address leads; if nothing on the page has that name, report it. */
function follow(cells) {
  const name = nameInAddress();
  const exists = !name || unfold() || cells.openNamed(name);
  $("#not-found").textContent = exists ? "" : `This page has nothing named ${name.slice(0, 120)}.`;
}

/** Keep what is scrolled to below the bar of sections, which has more lines in a narrower window. */
function measureBar() {
  const bar = $(".sections");
  const measure = () => document.documentElement.style.setProperty("--bar", `${bar.offsetHeight}px`);
  new ResizeObserver(measure).observe(bar);
}

async function start() {
  theme();
  measureBar();
  for (const box of $$(".command")) addCopyButton(box);
  search();
  unfold();
  const data = await unpack();
  const cells = dialog(data);
  matrix(data, cells.open);
  for (const button of $$("button[data-cell]"))
    button.addEventListener("click", () => cells.openNamed(button.dataset.cell));
  for (const element of $$(".needs-script")) element.hidden = false;
  addEventListener("hashchange", () => follow(cells));
  addEventListener("click", () => ($("#not-found").textContent = ""));
  follow(cells); // again: the filters moved what is below them
  document.documentElement.dataset.ready = "";
}

start();
