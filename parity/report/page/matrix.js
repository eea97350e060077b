// The matrix: filters, order, and the keys that walk through it. Without a filter every cell stays as it was written.

function matrix(data, open) {
  const form = $("#filters");
  if (!form) return;
  const topics = $$(".topic");
  const lines = $$("tr[data-row]").map(line => ({ line, row: Number(line.dataset.row), cells: $$("td", line) }));
  const written = lines.map(({ cells }) => cells.map(cell => ({ status: cell.className, heat: cell.style.getPropertyValue("--heat"), face: $("button", cell).innerHTML })));
  const all = data.cells.flat(2);
  const distinct = name => [...new Set(all.map(finding => finding[name]))].filter(Boolean).sort();
  const dtypes = distinct("dtype");
  fill("wing", [...new Set(data.rows.map(row => row.wing))]);
  fill("dtype", dtypes);
  fill("mode", distinct("mode"));
  fill("status", ORDER.filter(status => all.some(finding => finding.status === status)));

  function fill(name, values) {
    form.elements[name].append(...values.map(value => make("option", { value }, value)));
  }

  /** What a cell says of some of its findings; as `parity.report.cells` says it of all of them. */
  function face(findings, limit, shown) {
    const status = ORDER.find(one => findings.some(finding => finding.status === one)) || "absent";
    const count = findings.filter(finding => finding.status === "failed").length;
    const worst = dtype => {
      const scores = findings.filter(finding => finding.status === "passed" && finding.dtype === dtype).map(largest);
      return scores.length ? Math.max(...scores) : null;
    };
    const scores = status === "passed" && limit !== 0 ? shown.map(worst) : [];
    const top = Math.max(0, ...scores.map(score => score || 0));
    const heat = limit && top > 0.1 ? Math.min(1, Math.log10(top / 0.1) / Math.log10(limit / 0.1)) : 0;
    const said = status === "failed" ? [make("span", { class: "mark" }, "✗"), ` ${count}`]
      : scores.length ? [make("span", { class: "numbers" }, ...scores.map(score => make("span", {}, score === null ? "–" : number(score))))]
        : [make("span", { class: "mark" }, SYMBOLS[status])];
    if (status === "passed" && findings.some(finding => finding.status === "known")) said.push(make("span", { class: "some" }, "◆"));
    return { status, heat, said, worst: status === "failed" ? Infinity : limit ? top / limit : 0 };
  }

  function apply() {
    const asked = Object.fromEntries(["text", "wing", "dtype", "mode", "status", "order"].map(name => [name, form.elements[name].value]));
    const words = asked.text.toLowerCase().split(/\s+/).filter(Boolean);
    const some = asked.dtype || asked.mode;
    const chosen = finding => (!asked.dtype || finding.dtype === asked.dtype) && (!asked.mode || finding.mode === asked.mode || !finding.mode);
    let count = 0;
    for (const [place, { line, row, cells }] of lines.entries()) {
      const who = data.rows[row];
      const name = `${who.operation} ${who.subject}`.toLowerCase();
      const shown = (!asked.wing || who.wing === asked.wing) && words.every(word => name.includes(word));
      const faces = data.cells[row].map((findings, column) => face(findings.filter(chosen), data.contracts[column].limit, asked.dtype ? [asked.dtype] : dtypes));
      const kept = shown && (!asked.status || data.cells[row].some(findings => findings.some(finding => chosen(finding) && finding.status === asked.status)))
        && (!some || faces.some(one => one.status !== "absent"));
      line.hidden = !kept;
      line.worst = Math.max(...faces.map(one => one.worst));
      count += kept;
      cells.forEach((cell, column) => {
        const button = $("button", cell), before = written[place][column];
        cell.className = some ? faces[column].status : before.status;
        cell.style.setProperty("--heat", some ? faces[column].heat.toFixed(2) : before.heat);
        if (some) button.replaceChildren(...faces[column].said);
        else if (button.innerHTML !== before.face) button.innerHTML = before.face;
        cell.classList.toggle("dim", Boolean(asked.status) && !data.cells[row][column].some(finding => chosen(finding) && finding.status === asked.status));
      });
    }
    arrange(asked.order);
    for (const body of $$("tbody", $("#matrix"))) body.hidden = !$$("tr[data-row]", body).some(line => !line.hidden);
    for (const topic of topics) topic.hidden = !$$("tbody", topic).some(body => !body.hidden);
    form.elements.shown.value = `${count} of ${lines.length} variants`;
  }

  function arrange(order) {
    const worst = lines => Math.max(...lines.map(line => (line.hidden ? -1 : line.worst)));
    const name = element => element.textContent;
    const sorted = (elements, linesOf, nameOf) => [...elements].sort(order === "worst" ? (a, b) => worst(linesOf(b)) - worst(linesOf(a)) || a.place - b.place
      : order === "name" ? (a, b) => nameOf(a).localeCompare(nameOf(b)) : (a, b) => a.place - b.place);
    const rows = element => $$("tr[data-row]", element);
    for (const topic of topics) {
      for (const body of $$("tbody", topic)) body.append(...sorted(rows(body), line => [line], line => name($("th", line))));
      $("table", topic).append(...sorted($$("tbody", topic), rows, body => name($("th", body))));
    }
    topics[0].parentElement.append(...sorted(topics, rows, topic => topic.dataset.topic));
  }

  for (const list of [topics, ...topics.map(topic => $$("tbody", topic)), ...$$("tbody").map(body => $$("tr[data-row]", body))]) {
    list.forEach((element, place) => { element.place = place; });
  }
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply));
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
  apply();

  const section = $("#matrix");
  section.addEventListener("click", event => {
    const cell = event.target.closest("td");
    if (cell && cell.closest("tr[data-row]")) open(Number(cell.parentElement.dataset.row), cell.cellIndex - 1);
  });
  keys(section);
}

/** One cell of each table can be reached by Tab, its neighbours by the arrow keys. */
function keys(section) {
  const buttons = table => $$("td button", table);
  for (const table of $$("table", section)) buttons(table).forEach((button, place) => { button.tabIndex = place ? -1 : 0; });
  section.addEventListener("keydown", event => {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    const cell = event.target.closest("td");
    if (!cell || !moves[event.key]) return;
    const table = cell.closest("table"), lines = $$("tr[data-row]", table).filter(line => !line.hidden);
    const [down, right] = moves[event.key];
    const line = lines[lines.indexOf(cell.parentElement) + down];
    const next = line && $("button", line.cells[cell.cellIndex + right] || document.createElement("td"));
    if (!next) return;
    event.preventDefault();
    for (const button of buttons(table)) button.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}
