// The order of the matrix: topics, the operations in each, and the variants of each operation stay together.

/** Sort everything: "worst" first, by "name", or, with neither, as Python wrote it. */
function arrange(topics, order) {
  for (const topic of topics) {
    for (const body of $$("tbody", topic)) {
      body.append(...sorted(rows(body), order, row => $("th", row).textContent));
    }
    $("table", topic).append(...sorted($$("tbody", topic), order, body => $("th", body).textContent));
  }
  topics[0].parentElement.append(...sorted(topics, order, topic => topic.dataset.topic));
}

const rows = element => (element.dataset.row === undefined ? $$("tr[data-row]", element) : [element]);

/** The severity of the worst row of an element. */
const severity = element => Math.max(...rows(element).map(row => row.severity));

function sorted(elements, order, name) {
  const asWritten = (one, other) => one.position - other.position;
  const orders = {
    worst: (one, other) => severity(other) - severity(one) || asWritten(one, other),
    name: (one, other) => name(one).localeCompare(name(other)),
  };
  return [...elements].sort(orders[order] || asWritten);
}

/** Store the position of each element in its list. */
function rememberOrder(topics) {
  const lists = [topics, ...topics.map(topic => $$("tbody", topic)), ...$$("tbody").map(rows)];
  for (const list of lists) list.forEach((element, position) => (element.position = position));
}
