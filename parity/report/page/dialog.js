// A cell, opened: all its findings, worst first, and one of them in full.

function dialog(data) {
  const box = $("#cell");
  let asked = "";

  function open(row, column) {
    const who = data.rows[row],
      contract = data.contracts[column];
    const findings = [...data.cells[row][column]].sort(
      (a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || share(b) - share(a),
    );
    const said = counts(findings),
      detail = make("div", { class: "detail" });
    const list = make("tbody", {}, ...findings.map(finding => line(finding, () => choose(finding))));
    const heads = ["case", "mode", "dtype", "nearest to its limit", "element", "norm"];
    const table = make(
      "table",
      { class: "findings" },
      make("thead", {}, make("tr", {}, make("th", {}), ...heads.map(head => make("th", { scope: "col" }, head)))),
      list,
    );
    box.replaceChildren(
      make(
        "header",
        {},
        make(
          "div",
          {},
          make(
            "h2",
            { id: "cell-title" },
            who.operation,
            " ",
            make("span", { class: "wing" }, `${who.wing}.`),
            who.variant,
          ),
          make("p", {}, make("code", {}, contract.name), ` ${contract.promise}`),
        ),
        make("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => box.close() }, "✕"),
      ),
      findings.length
        ? make(
            "div",
            { class: "both" },
            detail,
            make("div", { class: "list", tabindex: 0 }, make("p", {}, said), table),
          )
        : make(
            "p",
            {},
            document.querySelector(`tr[data-row="${row}"] td:nth-child(${column + 2}) button`).title ||
              "There is no finding.",
          ),
    );
    const choose = finding => {
      for (const [place, one] of findings.entries()) list.rows[place].ariaCurrent = one === finding ? "true" : null;
      detail.replaceChildren(...inFull(data, row, column, finding));
    };
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

function inFull(data, row, column, finding) {
  const shown = [];
  const title = [finding.case, finding.mode, finding.dtype].filter(Boolean).join(" · ");
  shown.push(
    make(
      "h3",
      { class: finding.status },
      make("span", { class: "mark" }, SYMBOLS[finding.status]),
      ` ${title || finding.status}`,
    ),
  );
  if (finding.reason)
    shown.push(
      make("p", { class: "sentence" }, finding.quantity ? `${finding.quantity}: ${finding.reason}` : finding.reason),
    );
  if (finding.first) shown.push(make("p", { class: "sentence" }, `It ${finding.first}.`));
  if (finding.quantity) shown.push(measures(finding));
  if (finding.heat)
    shown.push(
      make("h4", {}, `Where in the batch: ${finding.heat.quantity}`),
      heatMap(finding.heat, finding) || "",
      make(
        "p",
        { class: "legend" },
        `The worst score of each step, in noise floors. Padding is hatched${finding.heat.quantity === finding.quantity ? "; the worst place is framed" : ""}.`,
      ),
    );
  if (finding.spread && finding.spread.length)
    shown.push(make("h4", {}, "How large the errors are"), ...spreads(data, row, column, finding));
  if (finding.scores && Object.keys(finding.scores).length > 1) shown.push(quantities(finding));
  if (finding.reproduce) shown.push(make("h4", {}, "See it again"), command(finding.reproduce));
  return shown;
}

function measures(finding) {
  const of = limit => (limit ? ` of ${limit}` : ", where no error is allowed");
  const values = [finding.observed, finding.expected].map(value =>
    value === null || value === undefined ? "not finite" : precise(value),
  );
  const rows = [
    ["worst element", `${finding.quantity}: ${precise(size(finding.score))}${of(finding.limit)}`],
    ["norm-wise", `${precise(size(finding.norm_score))}${of(finding.norm_limit)}`],
    ["where", finding.worst_index.length ? `(${finding.worst_index.join(", ")})` : "a scalar"],
    ["value there", `${values[0]}, expected ${values[1]}`],
    ["largest absolute error", precise(size(finding.max_abs_error))],
    ["numbers compared", String(finding.compared)],
    ["seed", String(finding.seed)],
  ];
  return make("dl", {}, ...rows.map(([name, text]) => make("div", {}, make("dt", {}, name), make("dd", {}, text))));
}

/** This variant's errors beside those of the other framework's first variant on the same case. */
function spreads(data, row, column, finding) {
  const who = data.rows[row],
    series = [{ name: who.subject, spread: finding.spread }];
  const alike = other =>
    other.case === finding.case &&
    other.dtype === finding.dtype &&
    other.seed === finding.seed &&
    other.spread &&
    other.spread.length;
  for (const [place, other] of data.rows.entries()) {
    if (other.operation !== who.operation || other.wing === who.wing) continue;
    const found = data.cells[place][column]
      .filter(alike)
      .sort((a, b) => (b.mode === finding.mode) - (a.mode === finding.mode))[0];
    if (found) {
      series.push({ name: other.subject, spread: found.spread });
      break;
    }
  }
  const legend = series.map(({ name }, place) =>
    make("span", {}, make("span", { class: `key series-${place}` }), name),
  );
  return [make("p", { class: "legend symbols" }, ...legend), histogram(data.bins, series)];
}

function quantities(finding) {
  const rows = Object.entries(finding.scores).sort(([, a], [, b]) => size(b[0]) - size(a[0]));
  const table = make(
    "table",
    {},
    make(
      "thead",
      {},
      make("tr", {}, ...["quantity", "element", "norm"].map(head => make("th", { scope: "col" }, head))),
    ),
    make(
      "tbody",
      {},
      ...rows.map(([name, [element, norm]]) =>
        make(
          "tr",
          {},
          make("th", { scope: "row" }, name),
          make("td", {}, precise(size(element))),
          make("td", {}, precise(size(norm))),
        ),
      ),
    ),
  );
  return make("details", {}, make("summary", {}, `All ${rows.length} quantities`), table);
}

function command(text) {
  const options = text
    .split(/ (?=--)/)
    .flatMap((option, place) => (place ? [" ", make("span", {}, option)] : [option]));
  const box = make("div", { class: "command" }, make("pre", {}, ...options));
  copyable(box);
  return box;
}

function copyable(box) {
  const button = make(
    "button",
    {
      type: "button",
      onclick: async () => {
        try {
          await navigator.clipboard.writeText($("pre", box).textContent);
          button.textContent = "Copied";
        } catch {
          getSelection().selectAllChildren($("pre", box));
          button.textContent = "Selected";
        }
        setTimeout(() => {
          button.textContent = "Copy";
        }, 1500);
      },
    },
    "Copy",
  );
  box.append(button);
}
