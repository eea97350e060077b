// One cell of each table can be reached by Tab, its neighbours by the arrow keys.

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function keys(section) {
  for (const button of $$("td button", section)) button.tabIndex = -1;
  enterable(section);
  section.addEventListener("focusin", event => {
    if (event.target.matches("td button")) reachable(event.target.closest("table"), event.target);
  });
  section.addEventListener("keydown", event => {
    const cell = event.target.closest("td");
    const next = cell && MOVES[event.key] && neighbour(cell, ...MOVES[event.key]);
    if (!next) return;
    event.preventDefault();
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest", inline: "nearest" }); // focus alone forgets the heads, which stand still
  });
}

/** Let Tab lead into each table: where it led to a row that is hidden now, to the first that is not. */
function enterable(section) {
  for (const table of $$("table", section)) {
    const entry = entrance(table);
    if (!entry || entry.closest("tr").hidden) reachable(table, $("tr:not([hidden]) td button", table));
  }
}

const entrance = table => $('td button[tabindex="0"]', table);

function reachable(table, button) {
  const entry = entrance(table);
  if (entry) entry.tabIndex = -1;
  if (button) button.tabIndex = 0;
}

/** The button so many visible rows down and columns to the right, if there is one. */
function neighbour(cell, down, right) {
  const lines = $$("tr", cell.closest("table")).filter(line => !line.hidden && $("td button", line));
  const line = lines[lines.indexOf(cell.parentElement) + down];
  const next = line && line.cells[cell.cellIndex + right];
  return next && $("button", next);
}
