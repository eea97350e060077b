// A cell, opened: all its results, worst first, and one of them in full.

function dialog(data) {
  const box = $("#cell");
  let asked = "";

  /** `within`: which of its results; a filter hides the others. */
  function open(row, column, within = () => true) {
    const [who, contract] = [data.rows[row], data.contracts[column]];
    const all = data.cells[row][column];
    const results = all.filter(within).sort(worstFirst);
    const close = { type: "button", class: "close", "aria-label": "Close", onclick: () => box.close() };
    const rest = hidden(all.length - results.length, () => {
      open(row, column);
      $(".close", box).focus(); // what was pressed is gone
    });
    const body = results.length ? both(data, row, column, results, rest) : rest || whyNone(row, column);
    box.replaceChildren(make("header", {}, title(who, contract), make("button", close, "✕")), body);
    asked = `#${who.operation}/${who.subject}/${contract.name}`;
    if (location.hash !== asked) history.replaceState(null, "", asked);
    if (document.activeElement === document.body) buttonOf(row, column).focus(); // where Escape leads back to
    if (!box.open) box.showModal();
    box.scrollTop = 0;
  }

  /** The cell that an address names, #operation/framework.variant/contract; whether there is one. */
  function named(address) {
    const [operation, subject, contract] = address.split("/");
    const row = data.rows.findIndex(who => who.operation === operation && who.subject === subject);
    const column = data.contracts.findIndex(one => one.name === contract);
    if (row < 0 || column < 0) return false;
    open(row, column);
    return true;
  }

  box.addEventListener("close", () => {
    if (location.hash === asked) history.replaceState(null, "", location.pathname + location.search);
  });
  box.addEventListener("click", event => {
    if (event.target === box) box.close();
  });
  return { open, named };
}

const buttonOf = (row, column) => $(`tr[data-row="${row}"] td:nth-child(${column + 2}) button`);

const worstFirst = (one, other) => ORDER.indexOf(one.status) - ORDER.indexOf(other.status) || share(other) - share(one);

function title(who, contract) {
  const framework = make("span", { class: "framework" }, `${who.framework}.`);
  const name = make("h2", { id: "cell-title" }, who.operation, " ", framework, who.variant, " ");
  name.append(make("code", {}, ...breakable(contract.name)));
  return make("div", {}, name, make("p", {}, contract.promise));
}

/** What a filter leaves out, and the way to it. */
function hidden(count, showAll) {
  if (!count) return null;
  const more = make("button", { type: "button", onclick: showAll }, "Show them");
  return make("p", {}, `The filter hides ${count} of this cell's results. `, more);
}

/** What the matrix says of a cell without results. */
function whyNone(row, column) {
  return make("p", {}, buttonOf(row, column).title || "There is no result.");
}

/** The list of results, and beside it the one that was chosen. */
function both(data, row, column, results, rest) {
  const detail = make("div", { class: "detail" });
  const choose = result => {
    for (const [place, one] of results.entries()) lines[place].ariaCurrent = one === result ? "true" : null;
    detail.replaceChildren(...inFull(data, row, column, result));
  };
  const lines = results.map(result => line(result, () => (choose(result), shownAbove(detail))));
  choose(results[0]);
  const shown = list(results, lines, rest);
  keys(shown);
  return make("div", { class: "both" }, detail, shown);
}

/** Where there is no room side by side, what was chosen is far above the list: go there. */
function shownAbove(detail) {
  if (!matchMedia("(max-width: 56rem)").matches) return;
  detail.closest("dialog").scrollTop = 0;
  $("h3", detail).focus({ preventScroll: true });
}

function list(results, lines, rest) {
  const heads = ["", "case", "mode", "dtype", "nearest to its limit", "element", "norm"];
  const all = table({ class: "results" }, heads, lines);
  const how = { class: "list", role: "region", "aria-label": "Results of this cell" };
  return make("div", how, make("p", {}, counts(results)), rest, all);
}

function counts(results) {
  const some = ORDER.map(status => [status, results.filter(result => result.status === status).length]).filter(
    ([, count]) => count,
  );
  return some.map(([status, count]) => `${SYMBOLS[status]} ${count} ${status}`).join(", ");
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
    ...cells.map(parts => make("td", {}, ...parts)),
  );
}

/** The worst element, as the matrix has it; it may be of another quantity than the one nearest to its limit. */
function element(result) {
  const { name, score } = worstElement(result);
  return [number(score), name === result.quantity ? "" : make("small", {}, " ", ...breakable(name))];
}

/** A name that may be broken behind its underscores and slashes. */
const breakable = name => name.split(/(?<=[_/])/).flatMap((part, place) => (place ? [make("wbr"), part] : [part]));
