// Search and filters: whole tables and rows are shown or hidden, never joined.
var boards = doc.querySelector(".boards"), parts = ["data", "protocol", "track", "context", "window", "prompt"], controls = {};
var sections = boards ? all("section.setting", boards) : [], status = make("p", { "class": "status", role: "status" });
var lone = !boards && tables.length === 1 && tables[0]._rows.length > 7 ? tables[0] : null;
var index = doc.getElementById("search"), entries = index ? JSON.parse(index.textContent) : null, found = make("ul", { "class": "found" });
function choice(parent, key, label, values) {
  var box = make("label", {}, label + " "), select = make("select", { name: key });
  select.appendChild(make("option", { value: "" }, "all"));
  values.forEach(function (value) { select.appendChild(make("option", { value: value }, value)); });
  select.addEventListener("change", function () { var state = read(); state[key] = select.value; write(state); show(state); });
  box.appendChild(select); parent.appendChild(box); controls[key] = select;
}
if (sections.length || lone || (entries && entries.length)) {
  var bar = make("form", { "class": "controls", role: "search", "aria-label": "Search and filter" });
  bar.addEventListener("submit", function (event) { event.preventDefault(); });
  var label = make("label", {}, "Search "), input = make("input", { type: "search", name: "q", autocomplete: "off", spellcheck: "false", placeholder: entries ? "model, task, metric" : "" });
  input.addEventListener("input", function () { var state = read(); state.q = input.value; write(state, true); show(state); });
  label.appendChild(input); bar.appendChild(label); controls.q = input;
  var clear = button("small", "Clear", function () { var state = read(); Object.keys(controls).forEach(function (key) { state[key] = ""; }); write(state); show(state); input.focus(); });
  parts.forEach(function (key) {
    var values = [];
    sections.forEach(function (section) { var value = section.getAttribute("data-" + key); if (values.indexOf(value) < 0) { values.push(value); } });
    if (values.length > 1) { choice(bar, key, key.charAt(0).toUpperCase() + key.slice(1), values); }
  });
  var more = make("details", {}), inside = make("div", { "class": "more" });
  more.appendChild(make("summary", {}, "Filter models")); more.appendChild(inside);
  facets.forEach(function (facet, k) {
    var values = {};
    if (facet[0] === "rows") {
      if (doc.querySelector(".board tr.published") && doc.querySelector(".board tr.run")) { values = { run: 1, published: 1 }; }
    } else { all("table.board tr[data-facts]").forEach(function (row) { values[fact(row, k)] = 1; }); }
    values = Object.keys(values).filter(Boolean).sort();
    if (values.length > 1) { choice(inside, facet[0], facet[1], values); }
  });
  if (inside.firstChild) { bar.appendChild(more); more.open = facets.some(function (facet) { return read()[facet[0]]; }); }
  bar.appendChild(clear);
  var before = lone ? lone.parentNode : boards;
  if (tabs.length > 1) { before = doc.querySelector(".tabs"); }
  before.parentNode.insertBefore(bar, before);
  before.parentNode.insertBefore(status, before);
  if (entries) { found.hidden = true; before.parentNode.insertBefore(found, before); }
}
function look(words) {
  found.textContent = "";
  found.hidden = !words.length;
  if (!words.length) { return 0; }
  var hits = entries.filter(function (entry) {
    var text = (entry.name + " " + (entry.also || "")).toLowerCase();
    return words.every(function (word) { return text.indexOf(word) >= 0; });
  });
  hits.slice(0, 12).forEach(function (entry) {
    var item = make("li", {});
    item.appendChild(make("a", { href: entry.href }, entry.name));
    item.appendChild(make("span", { "class": "tag" }, " " + entry.kind + (entry.also ? ", " + entry.also : "")));
    found.appendChild(item);
  });
  if (hits.length > 12) { found.appendChild(make("li", { "class": "tag" }, (hits.length - 12) + " more")); }
  if (!hits.length) { found.appendChild(make("li", {}, "Nothing found.")); }
  return hits.length;
}
function fits(row, state) {
  return facets.every(function (facet, k) {
    var key = facet[0];
    if (!state[key]) { return true; }
    return key === "rows" ? row.classList.contains(state[key]) : fact(row, k) === state[key];
  });
}
function show(state) {
  if (!controls.q) { return; }
  var words = (state.q || "").toLowerCase().split(/\s+/).filter(Boolean), hidden = [], shownTables = 0, shownRows = 0, allRows = 0;
  Object.keys(controls).forEach(function (key) {
    var value = state[key] || "";
    if (controls[key].value !== value) { controls[key].value = value; }
    if (value) { hidden.push((key === "q" ? "search" : key) + " “" + value + "”"); }
  });
  facets.forEach(function (facet) { if (state[facet[0]] && !controls[facet[0]]) { hidden.push(facet[0] + " “" + state[facet[0]] + "”"); } });
  var hits = entries ? look(words) : 0;
  tables.forEach(function (table) {
    var names = words.length && table._rows.some(function (row) { return words.every(function (word) { return row._name.indexOf(word) >= 0; }); });
    var titles = words.length && !names && table.classList.contains("map") && table._heads.some(function (head) { return has(head, words); });
    table._byName = names || !titles;
    if (table.classList.contains("map")) { pick(table, titles ? words : []); }
  });
  (sections.length ? sections : lone ? [lone] : tables).forEach(function (section) {
    var right = !sections.length || parts.every(function (key) { return !controls[key] || !state[key] || section.getAttribute("data-" + key) === state[key]; }), n = 0;
    (section._rows ? [section] : all("table.board", section)).forEach(function (table) {
      table._rows.forEach(function (row) {
        var on = fits(row, state) && (!table._byName || !!entries || words.every(function (word) { return row._name.indexOf(word) >= 0; }));
        row.hidden = !on;
        if (!row.closest("details") && !row.closest(".tab[hidden]")) { allRows += 1; n += on ? 1 : 0; }
      });
    });
    if (sections.length) { section.hidden = !right || !n; }
    if (right && n) { shownTables += 1; shownRows += n; }
  });
  if (!shownRows) { shownTables = 0; }
  status.textContent = (sections.length > 1 ? shownTables + " of " + sections.length + " tables, " : "") + shownRows + " of " + allRows + " rows shown" + (hidden.length ? "; filtered by " + hidden.join(", ") : "") + (words.length && (entries ? !hits : !shownRows) ? ". Nothing found" : "");
  status.hidden = !hidden.length && !!entries;
}
function has(head, words) { var text = (head._title + " " + (head.getAttribute("data-key") || "")).toLowerCase(); return words.every(function (word) { return text.indexOf(word) >= 0; }); }
function pick(table, words) {
  if (!words.length) { if (table._picked) { table._picked = false; table._heads.forEach(function (head) { head.hidden = false; }); foldAll(table, true); } return; }
  table._picked = true;
  table._heads.forEach(function (head) { head.hidden = head.classList.contains("up") && !has(head, words); });
  redraw(table);
}
steps.push(show);
