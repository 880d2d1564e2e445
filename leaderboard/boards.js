// Categories of a map: folded to their own standing until asked for.
tables.forEach(function (table) {
  var heads = all("thead th[data-total]", table);
  table._columns = {};
  table._heads.forEach(function (head, k) {
    var group = head.getAttribute("data-group");
    if (group && !head.hasAttribute("data-total")) { (table._columns[group] = table._columns[group] || []).push(k); }
  });
  heads.forEach(function (head) {
    var group = head.getAttribute("data-group"), count = (table._columns[group] || []).length;
    var fold = button("small fold", "+" + count, function () { setFold(table, group, fold.getAttribute("aria-expanded") === "true"); redraw(table); }, "+" + count + " tasks of " + group);
    head._fold = fold;
    head.appendChild(fold);
  });
  if (heads.length) { foldAll(table, true); }
});
function setFold(table, group, folded) {
  (table._columns[group] || []).forEach(function (k) { table._heads[k].hidden = folded; });
  table._heads.forEach(function (head) {
    if (head._fold && head.getAttribute("data-group") === group) {
      head._fold.setAttribute("aria-expanded", String(!folded));
      head._fold.textContent = (folded ? "+" : "−") + table._columns[group].length;
      head._fold.setAttribute("aria-label", head._fold.textContent + " tasks of " + group);
    }
  });
}
function foldAll(table, folded) { Object.keys(table._columns).forEach(function (group) { setFold(table, group, folded); }); redraw(table); }
tables.forEach(function (table) {
  if (!Object.keys(table._columns).length) { return; }
  var open = false, toggle = button("small", "Show all tasks", function () {
    open = !open; foldAll(table, !open); toggle.textContent = open ? "Fold categories" : "Show all tasks";
  });
  table.parentNode.parentNode.insertBefore(toggle, table.parentNode);
});

// Cells can be walked with the arrow keys; what belongs to a number is said below its table.
var notes = all(".footnotes li").map(function (item) { return item.textContent; });
function panelOf(table) {
  if (!table._panel) {
    table._panel = make("div", { "class": "detail", role: "status" });
    table._panel.hidden = true;
    table.parentNode.parentNode.insertBefore(table._panel, table.parentNode.nextSibling);
  }
  return table._panel;
}
function tell(table, cell) {
  var row = cell.parentNode, at = row._cells ? row._cells.indexOf(cell) : cell.cellIndex, head = all("thead tr:last-child > *", table)[at], panel = panelOf(table), lines = [];
  all("td.on", table).forEach(function (one) { one.classList.remove("on"); });
  cell.classList.add("on");
  var value = cell.querySelector("b"), shown = value ? value.textContent : cell.textContent.trim();
  var extra = cell.getAttribute("data-d"), rank = cell.querySelector("i"), said = [extra];
  all("small, .mark", cell).forEach(function (one) { if (one.textContent !== shown) { said.push(one.textContent); } });
  if (rank) { said.push("rank " + rank.textContent); }
  var name = row.cells[0].querySelector("a, bdi"), title = head ? head._title || head.textContent : "";
  panel.textContent = "";
  panel.appendChild(button("small", "×", function () { panel.hidden = true; cell.classList.remove("on"); cell.focus(); }, "Close"));
  lines.push((name ? name.textContent : row.cells[0].textContent) + ", " + title + ": " + shown);
  lines.push(said.filter(Boolean).join(" · "));
  var noted = cell.getAttribute("data-n");
  if (noted === null && value && head) { noted = head.getAttribute("data-n"); }
  (noted || "").split(" ").forEach(function (n) { if (notes[n - 1]) { lines.push(notes[n - 1]); } });
  lines.filter(Boolean).forEach(function (line) { panel.appendChild(make("p", {}, line)); });
  var link = head && head.querySelector("a");
  if (link) { var p = make("p", {}), a = make("a", { href: link.getAttribute("href") }, "More on " + title); p.appendChild(a); panel.appendChild(p); }
  panel.hidden = false;
}
all("table.board:not(.plain), table.heat").forEach(function (table) {
  var body = table.tBodies[0], first = body && body.querySelector("td");
  if (!first) { return; }
  first.tabIndex = 0;
  var current = first;
  table._home = function () { if (!current.isConnected) { current.tabIndex = -1; first.tabIndex = 0; current = first; } };
  function move(cell) {
    if (!cell || cell.tagName !== "TD") { return; }
    current.tabIndex = -1; cell.tabIndex = 0; current = cell; cell.focus();
  }
  body.addEventListener("click", function (event) {
    var cell = event.target.closest("td");
    if (cell && !event.target.closest("a, button, summary, input")) { move(cell); tell(table, cell); }
  });
  body.addEventListener("keydown", function (event) {
    var cell = event.target.closest("td"), row = cell && cell.parentNode, next = null;
    if (!cell || event.target !== cell) { return; }
    if (event.key === "Enter" || event.key === " ") { event.preventDefault(); tell(table, cell); return; }
    if (event.key === "Escape" && table._panel) { table._panel.hidden = true; return; }
    if (event.key === "ArrowRight") { next = cell.nextElementSibling; }
    if (event.key === "ArrowLeft") { next = cell.previousElementSibling; }
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      var step = event.key === "ArrowDown" ? "nextElementSibling" : "previousElementSibling", other = row[step];
      while (other && other.hidden) { other = other[step]; }
      next = other && other.cells[cell.cellIndex];
    }
    if (next) { event.preventDefault(); move(next); }
  });
});

// Tabs: the parts of the first page, all shown without this script and on paper.
var holder = doc.querySelector("[data-tabs]"), tabButtons = [];
tabs = holder ? all(".tab", holder) : [];
if (tabs.length > 1) {
  var list = make("div", { "class": "tabs", role: "tablist", "aria-label": "Kinds of results" });
  holder.classList.add("tabbed");
  tabs.forEach(function (tab, k) {
    var one = button("", tab.querySelector("h2").firstChild.textContent.trim(), function () { var state = read(); state.tab = tab.id; delete state.at; write(state); apply(); });
    one.setAttribute("role", "tab"); one.id = "b-" + tab.id; one.setAttribute("aria-controls", tab.id);
    tab.setAttribute("role", "tabpanel"); tab.setAttribute("aria-labelledby", one.id);
    one.addEventListener("keydown", function (event) {
      var to = event.key === "ArrowRight" ? k + 1 : event.key === "ArrowLeft" ? k - 1 : -9;
      if (to > -9) { event.preventDefault(); var other = tabButtons[(to + tabs.length) % tabs.length]; other.focus(); other.click(); }
    });
    tabButtons.push(one); list.appendChild(one);
  });
  holder.parentNode.insertBefore(list, holder);
}
function showTab(state) {
  if (tabs.length < 2) { return; }
  var plain = location.hash.slice(1), target = state.at || (plain && plain.indexOf("=") < 0 ? plain : ""), place = target && doc.getElementById(target);
  var want = (place && place.closest(".tab")) || doc.getElementById(state.tab || "") || tabs[0];
  if (tabs.indexOf(want) < 0) { want = tabs[0]; }
  tabs.forEach(function (tab, k) {
    var on = tab === want;
    tab.hidden = !on;
    tabButtons[k].setAttribute("aria-selected", String(on));
    tabButtons[k].tabIndex = on ? 0 : -1;
  });
}
steps.push(showTab);

// Tables as files.
function cellText(cell) {
  var value = cell.querySelector("b");
  if (!value) { return (cell.querySelector("a, bdi") || cell).textContent.replace(/[↕↑↓]|\s+/g, " ").trim(); }
  var ends = cell.querySelector("small"), range = ends ? ends.textContent.split(" · ")[0] : "", given = /^[−\d.]+(–| to )/.test(range) ? range : (cell.getAttribute("data-d") || "").split(" · ")[0];
  return value.textContent + (given && given.indexOf("n ") !== 0 ? " [" + given.replace(/–| to /, ", ") + "]" : "");
}
function matrix(table) {
  var heads = (table._heads || all("thead tr:last-child > *", table)).map(function (head) { return head._title || head.textContent.trim(); });
  var rows = all("tbody tr", table).filter(function (row) { return !row.hidden; }).map(function (row) { return Array.prototype.map.call(row._cells || row.cells, cellText); });
  return [heads].concat(rows);
}
function markdown(table) {
  var rows = matrix(table).map(function (row) { return "| " + row.map(function (text) { return text.replace(/\|/g, "\\|"); }).join(" | ") + " |"; });
  rows.splice(1, 0, "|" + matrix(table)[0].map(function (_, k) { return k ? "---:" : "---"; }).join("|") + "|");
  return rows.join("\n") + "\n";
}
function latex(table) {
  var special = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "−": "$-$", "–": "--" };
  var rows = matrix(table).map(function (row) {
    return row.map(function (text) { return text.replace(/[\\~^−–]|[&%$#_{}]/g, function (c) { return special[c] || "\\" + c; }); }).join(" & ") + " \\\\";
  });
  rows.splice(1, 0, "\\midrule");
  return "\\begin{tabular}{l" + "r".repeat(matrix(table)[0].length - 1) + "}\n\\toprule\n" + rows.join("\n") + "\n\\bottomrule\n\\end{tabular}\n";
}
all("p.files").forEach(function (line) {
  var before = line.previousElementSibling;
  while (before && !before.querySelector("table.board, table.heat")) { before = before.previousElementSibling; }
  var table = before && before.querySelector("table.board, table.heat");
  if (!table) { return; }
  var name = (table._id || "table").slice(0, 80);
  line.appendChild(doc.createTextNode(" · "));
  line.appendChild(button("small", "LaTeX", function () { save(name + ".tex", latex(table), "text/plain"); }));
  line.appendChild(doc.createTextNode(" "));
  line.appendChild(button("small", "Markdown", function () { save(name + ".md", markdown(table), "text/plain"); }));
});

// On paper a wide table becomes bands of columns, each with the models' names.
var bands = [];
function toBands() {
  fromBands();
  tables.forEach(function (table) {
    var heads = table._heads, room = table.classList.contains("map") ? 24 : 8, kept = [];
    if (Object.keys(table._columns).length) { foldAll(table, false); table._unfolded = true; }
    for (var k = 1; k < heads.length; k += 1) { if (!heads[k].hidden) { kept.push(k); } }
    if (kept.length <= room) { return; }
    var box = make("div", { "class": "bands" });
    for (var from = 0; from < kept.length; from += room) {
      var want = [0].concat(kept.slice(from, from + room)), copy = make("table", { "class": table.className }), head = make("thead", {}), line = make("tr", {}), body = make("tbody", {});
      want.forEach(function (k) { line.appendChild(heads[k].cloneNode(true)); });
      head.appendChild(line);
      all("tbody tr", table).forEach(function (row) {
        if (row.hidden) { return; }
        var own = row.cloneNode(false);
        want.forEach(function (k) { own.appendChild(row._cells[k].cloneNode(true)); });
        body.appendChild(own);
      });
      copy.appendChild(head); copy.appendChild(body);
      box.appendChild(make("p", { "class": "facts band-title" }, "Columns " + (from + 1) + " to " + Math.min(from + room, kept.length) + " of " + kept.length));
      box.appendChild(copy);
    }
    table.classList.add("banded");
    table.parentNode.insertBefore(box, table);
    bands.push([table, box]);
  });
}
function fromBands() {
  bands.forEach(function (one) { one[0].classList.remove("banded"); one[1].remove(); });
  bands = [];
  tables.forEach(function (table) { if (table._unfolded) { table._unfolded = false; foldAll(table, true); } });
}
window.addEventListener("beforeprint", toBands);
window.addEventListener("afterprint", fromBands);

// Models ticked on their page go to the comparison.
var pickTable = doc.querySelector("table.pick");
if (pickTable) {
  var go = button("", "Compare", function () {
    var chosen = all("input:checked", pickTable).map(function (box) { return box.value; });
    if (chosen.length > 1) { location.href = "compare.html#" + chosen.join(","); }
  });
  go.disabled = true;
  pickTable._rows.forEach(function (row) {
    var box = make("input", { type: "checkbox", value: row.getAttribute("data-slug"), "aria-label": "Compare " + row.cells[0].textContent.trim() });
    box.addEventListener("change", function () { var n = all("input:checked", pickTable).length; go.disabled = n < 2; go.textContent = n ? "Compare " + n : "Compare"; });
    row.cells[0].insertBefore(box, row.cells[0].firstChild);
  });
  pickTable.parentNode.parentNode.insertBefore(go, pickTable.parentNode);
}
