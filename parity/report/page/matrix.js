// The matrix and its filters. Without a filter of dtype or mode, every cell stays as Python wrote it.

const FILTERS = ["text", "framework", "dtype", "mode", "status", "order"];

function matrix(data, open) {
  const form = $("#filters");
  if (!form) return;
  const topics = $$(".topic");
  const lines = $$("tr[data-row]").map(line => readLine(line, data));
  fillOptions(form, data);
  readAddress(form);
  rememberOrder(topics);
  for (const topic of topics) topic.wasOpen = topic.open;
  let before = { order: "" };
  let filtered = false;
  const apply = () => {
    const chosen = Object.fromEntries(FILTERS.map(name => [name, form.elements[name].value]));
    const changed = (...names) => names.some(name => chosen[name] !== before[name]);
    if (changed("dtype", "mode")) for (const line of lines) summariseLine(line, chosen);
    for (const line of lines) filter(line, chosen);
    for (const body of $$("tbody", $("#matrix"))) body.hidden = rows(body).every(row => row.hidden);
    for (const topic of topics) topic.hidden = $$("tbody", topic).every(body => body.hidden);
    const filters = ["text", "framework", "status"].some(name => chosen[name]); // those that hide rows
    if (filters || filtered) for (const topic of topics) topic.open = filters || topic.wasOpen;
    filtered = filters;
    writeAddress(chosen);
    if (changed("order") || (chosen.order === "worst" && changed("dtype", "mode"))) arrange(topics, chosen.order);
    makeReachable($("#matrix"));
    before = chosen;
    const count = lines.filter(({ element }) => !element.hidden).length;
    form.elements.shown.value = `${count} of ${lines.length} variants`;
    $("#no-variant").hidden = count > 0;
  };
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply)); // after the fields are reset
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
  keys($("#matrix"));
  apply();
  $("#matrix").addEventListener("click", event => {
    const cell = event.target.closest("tr[data-row] td");
    if (!cell) return;
    const row = cell.parentElement;
    open(Number(row.dataset.row), columnsOf(row)[cell.cellIndex - 1], matching(before));
  });
}

/** Read a row of the matrix: its variant, and for each cell its results and how Python wrote it. */
function readLine(element, data) {
  const row = Number(element.dataset.row);
  const columns = columnsOf(element);
  const cells = $$("td", element).map((cell, position) => {
    const column = columns[position];
    const button = $("button", cell);
    const heat = cell.style.getPropertyValue("--heat");
    const written = { status: cell.className, heat, children: [...button.childNodes] };
    return { cell, button, results: data.cells[row][column], contract: data.contracts[column], written, shown: { heat } };
  });
  return { element, cells, ...data.rows[row] };
}

/** Fill the options of the filters. */
function fillOptions(form, data) {
  const results = data.cells.flat(2);
  const distinct = name => [...new Set(results.map(result => result[name]))].filter(Boolean);
  const options = {
    framework: [...new Set(data.rows.map(row => row.framework))],
    dtype: distinct("dtype").sort(),
    mode: distinct("mode").sort(),
    status: STATUSES.filter(status => distinct("status").includes(status)),
  };
  for (const [name, values] of Object.entries(options)) {
    form.elements[name].append(...values.map(value => make("option", { value }, value)));
  }
}

/** Choose what the query of the address names: ?text=lstm&framework=pytorch. */
function readAddress(form) {
  for (const [name, value] of new URLSearchParams(location.search)) if (FILTERS.includes(name)) form.elements[name].value = value;
  for (const select of $$("select", form)) if (select.selectedIndex < 0) select.selectedIndex = 0;
}

/** Name the filters in the address, so that a link or a reload shows the same. */
function writeAddress(chosen) {
  const query = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value)).toString();
  if (query === location.search.slice(1)) return;
  try {
    history.replaceState(null, "", `${location.pathname}${query ? `?${query}` : ""}${location.hash}`);
  } catch {
    /* a browser may not let a file do so */
  }
}

/** Whether a result has the chosen dtype and mode. */
const matching =
  ({ dtype, mode }) =>
  result =>
    (!dtype || result.dtype === dtype) && (!mode || !result.mode || result.mode === mode);

/** Let every cell of a row show the results with the chosen dtype and mode. */
function summariseLine(line, chosen) {
  const { dtype, mode } = chosen;
  line.element.severity = 0;
  for (const each of line.cells) {
    const results = each.results.filter(matching(chosen));
    const summary = summarise(results, each.contract);
    if (dtype || mode) show(each, summary, () => content(summary));
    else show(each, { ...each.written, label: summary.label }, () => each.written.children);
    each.statuses = new Set(results.map(result => result.status));
    line.element.severity = Math.max(line.element.severity, summary.severity);
  }
}

/** Change a cell, unless it shows the same already, as most do. */
function show(each, { status, heat, label }, children) {
  const { cell, button, shown } = each;
  if (shown.heat !== heat) cell.style.setProperty("--heat", heat);
  each.shown = { heat, label };
  if (shown.label === label) return;
  cell.className = status;
  button.ariaLabel = label;
  button.replaceChildren(...children());
}

/** Hide a row that does not match, and dim its cells that do not. */
function filter(line, { text, framework, status }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const name = `${line.operation} ${line.subject}`.toLowerCase();
  const named = (!framework || line.framework === framework) && words.every(word => name.includes(word));
  const matches = each => (status ? each.statuses.has(status) : each.statuses.size > 0);
  for (const each of line.cells) each.cell.classList.toggle("dim", Boolean(status) && !matches(each));
  line.element.hidden = !(named && line.cells.some(matches));
}
