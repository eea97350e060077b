// One cell of each table can be reached by Tab, its neighbours by the arrow keys.

const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

function keys(section) {
  for (const table of $$("table", section)) reachable(table, $("td button", table));
  section.addEventListener("keydown", event => {
    const cell = event.target.closest("td");
    const next = cell && MOVES[event.key] && neighbour(cell, ...MOVES[event.key]);
    if (!next) return;
    event.preventDefault();
    reachable(cell.closest("table"), next);
    next.focus();
  });
}

function reachable(table, button) {
  for (const one of $$("td button", table)) one.tabIndex = one === button ? 0 : -1;
}

/** The button so many visible rows down and columns to the right, if there is one. */
function neighbour(cell, down, right) {
  const lines = $$("tr[data-row]", cell.closest("table")).filter(line => !line.hidden);
  const line = lines[lines.indexOf(cell.parentElement) + down];
  const next = line && line.cells[cell.cellIndex + right];
  return next && $("button", next);
}
