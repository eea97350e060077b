// Keyboard use of tables: Tab reaches one cell of each table, the arrow keys its neighbours.

const DIRECTIONS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function keys(section) {
  for (const button of $$("td button", section)) button.tabIndex = -1;
  makeReachable(section);
  section.addEventListener("focusin", event => {
    if (event.target.matches("td button")) setReachable(event.target.closest("table"), event.target);
  });
  section.addEventListener("keydown", event => {
    const cell = event.target.closest("td");
    const next = cell && DIRECTIONS[event.key] && neighbour(cell, ...DIRECTIONS[event.key]);
    if (!next) return;
    event.preventDefault();
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: "nearest", inline: "nearest" }); // focus() alone does not account for sticky heads
  });
}

/** Let Tab reach each table: if its cell is hidden now, the first that is not. */
function makeReachable(section) {
  for (const table of $$("table", section)) {
    const button = reachable(table);
    if (!button || button.closest("tr").hidden) setReachable(table, $("tr:not([hidden]) td button", table));
  }
}

const reachable = table => $('td button[tabindex="0"]', table);

function setReachable(table, button) {
  const earlier = reachable(table);
  if (earlier) earlier.tabIndex = -1;
  if (button) button.tabIndex = 0;
}

/** The button a number of visible rows down and columns to the right, if there is one. */
function neighbour(cell, down, right) {
  const lines = $$("tr", cell.closest("table")).filter(line => !line.hidden && $("td button", line));
  const line = lines[lines.indexOf(cell.parentElement) + down];
  const next = line && line.cells[cell.cellIndex + right];
  return next && $("button", next);
}
