// A cell, opened: all its findings, worst first, and one of them in full.

function dialog(data) {
  const box = $("#cell");
  let asked = "";

  function open(row, column) {
    const [who, contract] = [data.rows[row], data.contracts[column]];
    const findings = [...data.cells[row][column]].sort(
      (a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || share(b) - share(a),
    );
    const detail = make("div", { class: "detail" });
    const lines = findings.map(finding => line(finding, () => choose(finding)));
    const choose = finding => {
      for (const [place, one] of findings.entries()) lines[place].ariaCurrent = one === finding ? "true" : null;
      detail.replaceChildren(...inFull(data, row, column, finding));
    };
    const close = { type: "button", class: "close", "aria-label": "Close", onclick: () => box.close() };
    box.replaceChildren(
      make("header", {}, title(who, contract), make("button", close, "✕")),
      findings.length
        ? make("div", { class: "both" }, detail, list(findings, lines))
        : make("p", {}, whyNone(row, column)),
    );
    if (findings.length) choose(findings[0]);
    asked = `#${who.operation}/${who.subject}/${contract.name}`;
    if (location.hash !== asked) history.replaceState(null, "", asked);
    if (!box.open) box.showModal();
    box.scrollTop = 0;
  }

  /** The cell that an address names: #operation/wing.variant/contract. */
  function named(address) {
    const [operation, subject, contract] = address.split("/");
    const row = data.rows.findIndex(who => who.operation === operation && who.subject === subject);
    const column = data.contracts.findIndex(one => one.name === contract);
    if (row >= 0 && column >= 0) open(row, column);
  }

  box.addEventListener("close", () => {
    if (location.hash === asked) history.replaceState(null, "", location.pathname + location.search);
  });
  box.addEventListener("click", event => {
    if (event.target === box) box.close();
  });
  return { open, named };
}

function title(who, contract) {
  const wing = make("span", { class: "wing" }, `${who.wing}.`);
  const promise = make("p", {}, make("code", {}, contract.name), ` ${contract.promise}`);
  return make("div", {}, make("h2", { id: "cell-title" }, who.operation, " ", wing, who.variant), promise);
}

/** What the matrix says of a cell without findings. */
function whyNone(row, column) {
  return $(`tr[data-row="${row}"] td:nth-child(${column + 2}) button`).title || "There is no finding.";
}

function list(findings, lines) {
  const heads = ["", "case", "mode", "dtype", "nearest to its limit", "element", "norm"];
  const all = table({ class: "findings" }, heads, lines);
  return make("div", { class: "list", tabindex: 0 }, make("p", {}, counts(findings)), all);
}

function counts(findings) {
  const some = ORDER.map(status => [status, findings.filter(finding => finding.status === status).length]).filter(
    ([, count]) => count,
  );
  return some.map(([status, count]) => `${SYMBOLS[status]} ${count} ${status}`).join(", ");
}

function line(finding, choose) {
  const measured = finding.quantity !== "";
  const cells = [
    finding.case,
    finding.mode,
    finding.dtype,
    finding.quantity,
    measured ? number(size(finding.score)) : "",
    measured ? number(size(finding.norm_score)) : "",
  ];
  const button = make(
    "button",
    {
      type: "button",
      onclick: choose,
      "aria-label": `${finding.status}: ${finding.case}, ${finding.mode}, ${finding.dtype}`,
    },
    SYMBOLS[finding.status],
  );
  return make(
    "tr",
    { class: finding.status, onclick: choose },
    make("td", { class: "mark" }, button),
    ...cells.map(text => make("td", {}, ...breakable(text))),
  );
}

/** A name that may be broken behind its underscores and slashes. */
const breakable = name => name.split(/(?<=[_/])/).flatMap((part, place) => (place ? [make("wbr"), part] : [part]));
