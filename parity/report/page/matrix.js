// The matrix and its filters. Without a filter of dtype or mode, every cell stays as it was written.

const FILTERS = ["text", "wing", "dtype", "mode", "status", "order"];

function matrix(data, open) {
  const form = $("#filters");
  if (!form) return;
  const topics = $$(".topic");
  const lines = $$("tr[data-row]").map(line => asWritten(line, data));
  const dtypes = options(form, data);
  numbered(topics);
  const apply = () => {
    const asked = Object.fromEntries(FILTERS.map(name => [name, form.elements[name].value]));
    for (const line of lines) show(line, asked, dtypes);
    for (const body of $$("tbody", $("#matrix"))) body.hidden = rows(body).every(row => row.hidden);
    for (const topic of topics) topic.hidden = $$("tbody", topic).every(body => body.hidden);
    arrange(topics, asked.order);
    const count = lines.filter(({ element }) => !element.hidden).length;
    form.elements.shown.value = `${count} of ${lines.length} variants`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply)); // when it has been reset
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
  apply();
  $("#matrix").addEventListener("click", event => {
    const cell = event.target.closest("tr[data-row] td");
    if (cell) open(Number(cell.parentElement.dataset.row), cell.cellIndex - 1);
  });
  keys($("#matrix"));
}

/** A row of the matrix, what it is of, and each of its cells: its findings, and how it was written. */
function asWritten(element, data) {
  const row = Number(element.dataset.row);
  const cells = $$("td", element).map((cell, column) => ({
    cell,
    button: $("button", cell),
    findings: data.cells[row][column],
    limit: data.contracts[column].limit,
    status: cell.className,
    heat: cell.style.getPropertyValue("--heat"),
    parts: [...$("button", cell).childNodes],
  }));
  return { element, cells, ...data.rows[row] };
}

/** Fill the choices of the filters; returns the dtypes. */
function options(form, data) {
  const findings = data.cells.flat(2);
  const distinct = name => [...new Set(findings.map(finding => finding[name]))].filter(Boolean);
  const choices = {
    wing: [...new Set(data.rows.map(row => row.wing))],
    dtype: distinct("dtype").sort(),
    mode: distinct("mode").sort(),
    status: ORDER.filter(status => distinct("status").includes(status)),
  };
  for (const [name, values] of Object.entries(choices)) {
    form.elements[name].append(...values.map(value => make("option", { value }, value)));
  }
  return choices.dtype;
}

/** Show a row as it was asked for, or hide it. */
function show(line, asked, dtypes) {
  const words = asked.text.toLowerCase().split(/\s+/).filter(Boolean);
  const name = `${line.operation} ${line.subject}`.toLowerCase();
  const some = Boolean(asked.dtype || asked.mode);
  const chosen = finding =>
    (!asked.dtype || finding.dtype === asked.dtype) && (!asked.mode || !finding.mode || finding.mode === asked.mode);
  let fits = false;
  line.element.severity = 0;
  for (const one of line.cells) {
    const findings = one.findings.filter(chosen);
    const now = face(findings, one.limit, asked.dtype ? [asked.dtype] : dtypes);
    const { status, heat, parts } = some ? now : one;
    one.cell.className = status;
    one.cell.style.setProperty("--heat", heat);
    one.button.replaceChildren(...parts);
    const wanted = findings.some(finding => !asked.status || finding.status === asked.status);
    one.cell.classList.toggle("dim", Boolean(asked.status) && !wanted);
    fits ||= wanted;
    line.element.severity = Math.max(line.element.severity, now.severity);
  }
  const named = (!asked.wing || line.wing === asked.wing) && words.every(word => name.includes(word));
  line.element.hidden = !(named && (fits || !(some || asked.status)));
}
