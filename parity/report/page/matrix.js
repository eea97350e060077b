// The matrix and its filters. Without a filter of dtype or mode, every cell stays as it was written.

const FILTERS = ["text", "framework", "dtype", "mode", "status", "order"];

function matrix(data, open) {
  const form = $("#filters");
  if (!form) return;
  const topics = $$(".topic");
  const lines = $$("tr[data-row]").map(line => asWritten(line, data));
  const dtypes = options(form, data);
  numbered(topics);
  let before = { order: "" };
  const apply = () => {
    const asked = Object.fromEntries(FILTERS.map(name => [name, form.elements[name].value]));
    const changed = (...names) => names.some(name => asked[name] !== before[name]);
    if (changed("dtype", "mode")) for (const line of lines) choose(line, asked, dtypes);
    for (const line of lines) filter(line, asked);
    for (const body of $$("tbody", $("#matrix"))) body.hidden = rows(body).every(row => row.hidden);
    for (const topic of topics) topic.hidden = $$("tbody", topic).every(body => body.hidden);
    if (changed("order") || (asked.order === "worst" && changed("dtype", "mode"))) arrange(topics, asked.order);
    enterable($("#matrix"));
    before = asked;
    const count = lines.filter(({ element }) => !element.hidden).length;
    form.elements.shown.value = `${count} of ${lines.length} variants`;
    $("#no-variant").hidden = count > 0;
  };
  form.addEventListener("input", apply);
  form.addEventListener("reset", () => setTimeout(apply)); // when it has been reset
  form.addEventListener("submit", event => event.preventDefault());
  form.hidden = false;
  keys($("#matrix"));
  apply();
  $("#matrix").addEventListener("click", event => {
    const cell = event.target.closest("tr[data-row] td");
    if (cell) open(Number(cell.parentElement.dataset.row), cell.cellIndex - 1, among(before));
  });
}

/** A row of the matrix, what it is of, and each of its cells: its results, and how it was written. */
function asWritten(element, data) {
  const row = Number(element.dataset.row);
  const cells = $$("td", element).map((cell, column) => {
    const button = $("button", cell);
    const [heat, words] = [cell.style.getPropertyValue("--heat"), button.ariaLabel];
    const written = { status: cell.className, heat, words, parts: [...button.childNodes] };
    const shown = { heat, words }; // now
    return { cell, button, results: data.cells[row][column], contract: data.contracts[column], ...written, shown };
  });
  return { element, cells, ...data.rows[row] };
}

/** Fill the choices of the filters; returns the dtypes. */
function options(form, data) {
  const results = data.cells.flat(2);
  const distinct = name => [...new Set(results.map(result => result[name]))].filter(Boolean);
  const choices = {
    framework: [...new Set(data.rows.map(row => row.framework))],
    dtype: distinct("dtype").sort(),
    mode: distinct("mode").sort(),
    status: ORDER.filter(status => distinct("status").includes(status)),
  };
  for (const [name, values] of Object.entries(choices)) {
    form.elements[name].append(...values.map(value => make("option", { value }, value)));
  }
  return choices.dtype;
}

/** Whether a result is of the dtype and in the mode that were asked for. */
const among =
  ({ dtype, mode }) =>
  result =>
    (!dtype || result.dtype === dtype) && (!mode || !result.mode || result.mode === mode);

/** Let every cell of a row say what those results come to that are of a dtype and in a mode. */
function choose(line, asked, dtypes) {
  const { dtype, mode } = asked;
  line.element.severity = 0;
  for (const one of line.cells) {
    const results = one.results.filter(among(asked));
    const now = face(results, one.contract, dtype ? [dtype] : dtypes);
    show(one, dtype || mode ? { ...now, parts: () => parts(now) } : { ...one, parts: () => one.parts });
    one.statuses = new Set(results.map(result => result.status));
    line.element.severity = Math.max(line.element.severity, now.severity);
  }
}

/** Most cells say the same with a filter as without: they are left alone. */
function show(one, { status, heat, words, parts }) {
  const [cell, button] = [one.cell, one.button];
  if (one.shown.heat !== heat) cell.style.setProperty("--heat", heat);
  const same = one.shown.words === words;
  one.shown = { heat, words };
  if (same) return;
  cell.className = status;
  button.ariaLabel = words;
  button.replaceChildren(...parts());
}

/** Hide a row that was not asked for, and dim its cells that were not. */
function filter(line, { text, framework, status }) {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const name = `${line.operation} ${line.subject}`.toLowerCase();
  const named = (!framework || line.framework === framework) && words.every(word => name.includes(word));
  const wanted = one => (status ? one.statuses.has(status) : one.statuses.size > 0);
  for (const one of line.cells) one.cell.classList.toggle("dim", Boolean(status) && !wanted(one));
  line.element.hidden = !(named && line.cells.some(wanted));
}
