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
