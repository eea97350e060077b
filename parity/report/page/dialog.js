// The dialog of a cell: all its results, worst first, and one of them in full.

function dialog(data) {
  const box = $("#cell");
  let address = "";

  /** Open a cell with the results that pass a filter, and a way to the others. */
  function open(row, column, filter = () => true) {
    const [variant, contract] = [data.rows[row], data.contracts[column]];
    const all = data.cells[row][column];
    const results = all.filter(filter);
    const close = { type: "button", class: "close", "aria-label": "Close", onclick: () => box.close() };
    const rest = hidden(all.length - results.length, () => {
      open(row, column);
      $(".close", box).focus(); // the button that was pressed no longer exists
    });
    const body = results.length ? both(data, row, column, results, rest) : rest || reasonFor(row, column);
    box.replaceChildren(make("header", {}, title(variant, contract), make("button", close, "✕")), body);
    address = `#${variant.operation}/${variant.subject}/${contract.name}`;
    if (location.hash !== address) history.replaceState(null, "", address);
    if (document.activeElement === document.body) buttonOf(row, column)?.focus(); // Escape returns the focus to it
    if (!box.open) box.showModal();
    box.scrollTop = 0;
  }

  /** Open the cell that a name identifies, operation/framework.variant/contract; return whether there is one. */
  function openNamed(name) {
    const [operation, subject, contract] = name.split("/");
    const row = data.rows.findIndex(each => each.operation === operation && each.subject === subject);
    const column = data.contracts.findIndex(each => each.name === contract);
    if (row < 0 || column < 0) return false;
    open(row, column);
    return true;
  }

  box.addEventListener("close", () => {
    if (location.hash === address) history.replaceState(null, "", location.pathname + location.search);
  });
  box.addEventListener("click", event => {
    if (event.target === box) box.close();
  });
  return { open, openNamed };
}

/** The button of a cell; none where its topic has no result of that contract. */
function buttonOf(row, column) {
  const line = $(`tr[data-row="${row}"]`);
  const cell = line.cells[columnsOf(line).indexOf(column) + 1];
  return cell.matches("td") ? $("button", cell) : null;
}

/** The positions of the contracts that a row of the matrix shows. */
const columnsOf = line => line.closest("table").dataset.columns.split(" ").map(Number);

function title(variant, contract) {
  const framework = make("span", { class: "framework" }, `${variant.framework}.`);
  const name = make("h2", { id: "cell-title" }, variant.operation, " ", framework, variant.variant, " ");
  name.append(make("code", {}, ...breakable(contract.name)));
  return make("div", {}, name, make("p", {}, contract.promise));
}

/** The number of results that a filter hides, and a button to show them. */
function hidden(count, showAll) {
  if (!count) return null;
  const more = make("button", { type: "button", onclick: showAll }, "Show them");
  return make("p", {}, `The filter hides ${count} of this cell's results. `, more);
}

/** The reason why a cell has no results, from the matrix. */
function reasonFor(row, column) {
  return make("p", {}, buttonOf(row, column)?.title || "There is no result.");
}

/** The chosen result, and beside it the list of all. */
function both(data, row, column, results, rest) {
  const detail = make("div", { class: "detail" });
  const choose = result => {
    for (const [index, each] of results.entries()) lines[index].ariaCurrent = each === result ? "true" : null;
    detail.replaceChildren(...inFull(data, row, column, result));
  };
  const lines = results.map(result => line(result, () => (choose(result), scrollToDetail(detail))));
  choose(results[0]);
  const all = list(results, lines, rest);
  keys(all);
  return make("div", { class: "both" }, detail, all);
}

/** On a narrow screen, where the list is below the chosen result: scroll up to the result. */
function scrollToDetail(detail) {
  if (!matchMedia("(max-width: 56rem)").matches) return;
  detail.closest("dialog").scrollTop = 0;
  $("h3", detail).focus({ preventScroll: true });
}

function list(results, lines, rest) {
  const heads = ["", "case", "mode", "dtype", "nearest to its limit", "element", "norm"];
  const all = table({ class: "results" }, heads, lines);
  const region = { class: "list", role: "region", "aria-label": "Results of this cell" };
  return make("div", region, make("p", {}, counts(results)), rest, all);
}

function counts(results) {
  const count = status => results.filter(result => result.status === status).length;
  const present = STATUSES.filter(count);
  return present.map(status => `${SYMBOLS[status]} ${count(status)} ${status}`).join(", ");
}

function line(result, choose) {
  const { status, mode, dtype, quantity } = result;
  const measured = quantity !== "";
  const run = [mode, dtype].filter(Boolean);
  const name = `${status}: ${[result.case, ...run].join(", ")}`;
  const cells = [
    [...breakable(result.case), make("small", { class: "run" }, run.join(" · "))],
    [mode],
    [dtype],
    breakable(quantity),
    measured ? element(result) : [],
    [measured ? number(size(result.norm_score)) : ""],
  ];
  return make(
    "tr",
    { class: status, onclick: choose },
    make("td", { class: "mark" }, make("button", { type: "button", "aria-label": name }, SYMBOLS[status])),
    ...cells.map(children => make("td", {}, ...children)),
  );
}

/** The largest elementwise score, as in the matrix; it may be of another quantity than the one nearest to its limit. */
function element(result) {
  const { name, score } = worstElement(result);
  return [number(score), name === result.quantity ? "" : make("small", {}, " ", ...breakable(name))];
}

/** A name that may break behind its underscores and slashes. */
const breakable = name => name.split(/(?<=[_/])/).flatMap((part, index) => (index ? [make("wbr"), part] : [part]));
