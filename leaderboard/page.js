// Theme: the system's until the reader chooses; a file: page may have no storage.
var themes = ["auto", "light", "dark"], theme = "auto";
function store(value) {
  try { if (value === undefined) { return localStorage.getItem("ehrbench-theme"); } localStorage.setItem("ehrbench-theme", value); } catch (e) { return null; }
}
function setTheme(value) {
  theme = themes.indexOf(value) < 0 ? "auto" : value;
  if (theme === "auto") { root.removeAttribute("data-theme"); } else { root.setAttribute("data-theme", theme); }
}
setTheme(store());
var switcher = button("theme", "", function () { setTheme(themes[(themes.indexOf(theme) + 1) % 3]); store(theme); nameTheme(); });
function nameTheme() { switcher.textContent = "Theme: " + theme; }
nameTheme();
var current = doc.querySelector(".top [aria-current]");
if (current) { current.closest("nav").scrollLeft = current.offsetLeft - current.closest("nav").offsetLeft - 16; }
if (doc.querySelector(".top")) { doc.querySelector(".top").appendChild(switcher); }

// The address after # is the whole state of a page: filters, search, tab and sort order.
function read() {
  var state = {};
  location.hash.replace(/^#/, "").split("&").forEach(function (part) {
    var at = part.indexOf("=");
    if (at > 0) { try { state[decodeURIComponent(part.slice(0, at))] = decodeURIComponent(part.slice(at + 1)); } catch (e) { /* a broken link filters nothing */ } }
  });
  return state;
}
function spell(state) {
  return "#" + Object.keys(state).sort().filter(function (key) { return state[key] !== ""; }).map(function (key) {
    return encodeURIComponent(key) + "=" + encodeURIComponent(state[key]);
  }).join("&");
}
function write(state, quietly) {
  var hash = spell(state);
  if (hash === "#") { hash = location.hash ? "#all=1" : ""; }
  if (hash === location.hash || hash === "") { return; }
  history[quietly ? "replaceState" : "pushState"](null, "", hash);
}

// Filters by what is known of models travel to the next page.
var facets = [["open", "Weights"], ["size", "Size"], ["org", "Organisation"], ["year", "Released"], ["rows", "Rows"]];
function fact(row, k) { return (row.getAttribute("data-facts") || "").split("|")[k] || ""; }
doc.addEventListener("click", function (event) {
  var link = event.target.closest && event.target.closest("a[href]");
  if (!link || link.hasAttribute("download") || /^[a-z]+:/.test(link.getAttribute("href"))) { return; }
  var state = read(), kept = {}, parts = link.getAttribute("href").split("#");
  if (!parts[0] || /compare\.html$/.test(parts[0])) { return; }
  facets.forEach(function (facet) { if (state[facet[0]]) { kept[facet[0]] = state[facet[0]]; } });
  if (!Object.keys(kept).length) { return; }
  if (parts[1]) { kept.at = parts[1]; }
  link.setAttribute("href", parts[0] + spell(kept));
});

function nameOf(row) {
  var link = row.cells[0].querySelector("a");
  return (row.getAttribute("data-name") || row.cells[0].textContent + " " + (link ? link.getAttribute("href") : "")).toLowerCase();
}
var tables = all("table.board");
tables.forEach(function (table, at) {
  var named = table.closest("section[id], details[id], .holder[id]");
  table._id = (named && named.id) || "t" + at;
  table._rows = all("tbody tr", table);
  table._columns = {};
  table._heads = all("thead tr:last-child > *", table);
  table._rows.forEach(function (row, k) { row._place = k; row._name = nameOf(row); row._cells = Array.prototype.slice.call(row.cells); });
  table._heads.forEach(function (head, column) {
    var key = head.getAttribute("data-key");
    head._title = head.firstChild ? head.firstChild.textContent.trim() : key || "";
    if (!key || table._rows.length < 2) { return; }
    var sort = button("sort", "↕", function () {
      var state = read(), mine = (state.sort || "").split("~"), first = head.hasAttribute("data-low") || !numeric(table, column) ? "a" : "d";
      var now = mine[0] === table._id && mine[1] === key ? mine[2] : "";
      var next = now === "" ? first : now === first ? (first === "d" ? "a" : "d") : "";
      state.sort = next ? [table._id, key, next].join("~") : "";
      write(state); sortAll(state);
    }, "Sort by " + head._title);
    if (head.classList.contains("up")) { head.insertBefore(sort, head.firstChild); } else { head.insertBefore(sort, head.querySelector(".sub")); }
    head._sort = sort;
  });
});

function worth(cell) {
  if (!cell) { return null; }
  var value = cell.getAttribute("data-v");
  if (value !== null) { return parseFloat(value); }
  if (cell.tagName === "TD" && cell.classList.contains("none")) { return null; }
  var text = cell.textContent.trim();
  if (!text || text === "–") { return null; }
  var number = parseFloat(text.replace("−", "-"));
  return cell.tagName === "TD" && /^[−-]?[\d.]+$/.test(text) && !isNaN(number) ? number : text.toLowerCase();
}
// Cells of a hidden column are taken out of their rows: a browser spends as long on them as on those that it shows.
function redraw(table) {
  table.classList.remove("long");
  table._rows.forEach(function (row) {
    var kept = row._cells.filter(function (_, k) { return !table._heads[k].hidden; });
    if (kept.length !== row.cells.length || kept.some(function (cell, k) { return cell !== row.cells[k]; })) { row.replaceChildren.apply(row, kept); }
  });
  if (table._home) { table._home(); }
}
function numeric(table, column) { return table._rows.some(function (row) { return typeof worth(row._cells[column]) === "number"; }); }
function sortTable(table, key, order) {
  var column = -1, want = table._id + "~" + key + "~" + order;
  if (table._sorted === want || (key === "" && !table._sorted)) { return; }
  settle(table);
  table._sorted = key === "" ? "" : want;
  table._heads.forEach(function (head, k) {
    var on = key !== "" && head.getAttribute("data-key") === key && head._sort;
    if (on) { column = k; head.setAttribute("aria-sort", order === "d" ? "descending" : "ascending"); } else { head.removeAttribute("aria-sort"); }
    if (head._sort) { head._sort.textContent = on ? (order === "d" ? "↓" : "↑") : "↕"; }
  });
  var up = order === "d" ? -1 : 1, rows = table._rows.map(function (row) { return { row: row, v: column < 0 ? null : worth(row._cells[column]) }; });
  if (rows.some(function (one) { return typeof one.v === "number"; })) { rows.forEach(function (one) { if (typeof one.v === "string") { one.v = null; } }); }
  rows.sort(function (a, b) {
    if (a.v === null || b.v === null) { return (a.v === null) - (b.v === null) || a.row._place - b.row._place; }
    return (a.v < b.v ? -1 : a.v > b.v ? 1 : 0) * up || a.row._place - b.row._place;
  });
  var body = table.tBodies[0], fragment = doc.createDocumentFragment();
  rows.forEach(function (one) { fragment.appendChild(one.row); });
  body.appendChild(fragment);
}
// A long table gets columns of fixed width before its first sort, so that a browser need not lay out or draw the rows off the screen.
function settle(table) {
  if (table._rows.length < 100 || table.classList.contains("long")) { return; }
  var shown = table._heads.filter(function (head) { return !head.hidden; });
  table.style.setProperty("--columns", shown.map(function (head) { return head.getBoundingClientRect().width + "px"; }).join(" "));
  all("thead [colspan]", table).forEach(function (cell) { cell.style.gridColumn = "span " + cell.colSpan; });
  table.classList.add("long");
}
function sortAll(state) {
  var want = (state.sort || "").split("~");
  tables.forEach(function (table) {
    if (want.length === 3 && want[0] === table._id) { sortTable(table, want[1], want[2]); } else { sortTable(table, "", ""); }
  });
}

// Narrow screens: wide rows become cards.
all("table.board:not(.map):not(.compact)").forEach(function (table) {
  if (table.querySelectorAll("thead th").length < 3) { return; }
  table.parentNode.classList.add("cards-view");
  table._rows.forEach(function (row) {
    Array.prototype.forEach.call(row.cells, function (cell, k) { if (k) { cell.setAttribute("data-label", table._heads[k]._title); } });
  });
});

// Files, made here from what is shown.
function save(name, text, type) {
  var link = make("a", { download: name, href: URL.createObjectURL(new Blob([text], { type: type })) });
  doc.body.appendChild(link); link.click(); link.remove();
}

// Figures as files.
function drawing(svg) {
  var copy = svg.cloneNode(true), from = [svg].concat(all("*", svg)), to = [copy].concat(all("*", copy));
  from.forEach(function (node, k) {
    var style = getComputedStyle(node);
    ["r", "fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size", "font-weight", "font-family", "paint-order"].forEach(function (key) {
      var value = style.getPropertyValue(key);
      if (value) { to[k].setAttribute(key, value); }
    });
  });
  var box = svg.getAttribute("viewBox").split(" ");
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg"); copy.setAttribute("width", box[2]); copy.setAttribute("height", box[3]);
  copy.insertBefore(make("title", {}, svg.getAttribute("aria-label") || ""), copy.firstChild);
  return '<?xml version="1.0" encoding="UTF-8"?>\n' + new XMLSerializer().serializeToString(copy) + "\n";
}
all("figure .draw svg").forEach(function (svg, k) {
  var caption = svg.closest("figure").querySelector("figcaption");
  caption.appendChild(button("small", "SVG", function () { save("figure-" + (k + 1) + ".svg", drawing(svg), "image/svg+xml"); }, "Download this figure as SVG"));
});

// What a page does when its address changes, one after another; other scripts add theirs.
var steps = [sortAll], tabs = [];
