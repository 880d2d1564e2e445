(function () {
  "use strict";
  var doc = document, root = doc.documentElement;
  root.classList.add("js");
  function all(selector, from) { return Array.prototype.slice.call((from || doc).querySelectorAll(selector)); }
  function make(tag, attributes, text) {
    var node = doc.createElement(tag);
    Object.keys(attributes || {}).forEach(function (key) { node.setAttribute(key, attributes[key]); });
    if (text) { node.textContent = text; }
    return node;
  }
  function button(css, text, action, label) {
    var node = make("button", { type: "button", "class": css }, text);
    if (label) { node.setAttribute("aria-label", label); }
    node.addEventListener("click", action);
    return node;
  }

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
    if (quietly) { history.replaceState(null, "", hash); } else { location.hash = hash; }
  }

  // Filters by what is known of models travel to the next page.
  var facets = [["open", "Weights"], ["size", "Size"], ["org", "Organisation"], ["year", "Released"], ["rows", "Rows"]];
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

  var tables = all("table.board");
  tables.forEach(function (table, at) {
    var named = table.closest("section[id], details[id], .holder[id]");
    table._id = (named && named.id) || "t" + at;
    table._rows = all("tbody tr", table);
    table._heads = all("thead tr:last-child > *", table);
    table._rows.forEach(function (row, k) { row._place = k; row._name = (row.getAttribute("data-name") || "").toLowerCase(); });
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
  function numeric(table, column) { return table._rows.some(function (row) { return typeof worth(row.cells[column]) === "number"; }); }
  function sortTable(table, key, order) {
    var column = -1, want = table._id + "~" + key + "~" + order;
    if (table._sorted === want || (key === "" && !table._sorted)) { return; }
    table._sorted = key === "" ? "" : want;
    table._heads.forEach(function (head, k) {
      var on = key !== "" && head.getAttribute("data-key") === key && head._sort;
      if (on) { column = k; head.setAttribute("aria-sort", order === "d" ? "descending" : "ascending"); } else { head.removeAttribute("aria-sort"); }
      if (head._sort) { head._sort.textContent = on ? (order === "d" ? "↓" : "↑") : "↕"; }
    });
    var up = order === "d" ? -1 : 1, rows = table._rows.map(function (row) { return { row: row, v: column < 0 ? null : worth(row.cells[column]) }; });
    if (rows.some(function (one) { return typeof one.v === "number"; })) { rows.forEach(function (one) { if (typeof one.v === "string") { one.v = null; } }); }
    rows.sort(function (a, b) {
      if (a.v === null || b.v === null) { return (a.v === null) - (b.v === null) || a.row._place - b.row._place; }
      return (a.v < b.v ? -1 : a.v > b.v ? 1 : 0) * up || a.row._place - b.row._place;
    });
    var body = table.tBodies[0], fragment = doc.createDocumentFragment();
    rows.forEach(function (one) { fragment.appendChild(one.row); });
    body.appendChild(fragment);
  }
  function sortAll(state) {
    var want = (state.sort || "").split("~");
    tables.forEach(function (table) {
      if (want.length === 3 && want[0] === table._id) { sortTable(table, want[1], want[2]); } else { sortTable(table, "", ""); }
    });
  }

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
      var fold = button("small fold", "+" + count, function () { setFold(table, group, fold.getAttribute("aria-expanded") === "true"); }, "+" + count + " tasks of " + group);
      head._fold = fold;
      head.appendChild(fold);
    });
    foldAll(table, true);
  });
  function setFold(table, group, folded) {
    (table._columns[group] || []).forEach(function (k) {
      table._heads[k].hidden = folded;
      table._rows.forEach(function (row) { row.cells[k].hidden = folded; });
    });
    table._heads.forEach(function (head) {
      if (head._fold && head.getAttribute("data-group") === group) {
        head._fold.setAttribute("aria-expanded", String(!folded));
        head._fold.textContent = (folded ? "+" : "−") + table._columns[group].length;
        head._fold.setAttribute("aria-label", head._fold.textContent + " tasks of " + group);
      }
    });
  }
  function foldAll(table, folded) { Object.keys(table._columns).forEach(function (group) { setFold(table, group, folded); }); }
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
    var row = cell.parentNode, head = all("thead tr:last-child > *", table)[cell.cellIndex], panel = panelOf(table), lines = [];
    all("td.on", table).forEach(function (one) { one.classList.remove("on"); });
    cell.classList.add("on");
    var value = cell.querySelector(".v"), shown = value ? value.textContent : cell.textContent.trim();
    var extra = cell.getAttribute("data-d"), rank = cell.querySelector(".rank"), said = [extra];
    all(".ci, .mark", cell).forEach(function (one) { if (one.textContent !== shown) { said.push(one.textContent); } });
    if (rank) { said.push("rank " + rank.textContent); }
    var name = row.cells[0].querySelector("a, bdi"), title = head ? head._title || head.textContent : "";
    panel.textContent = "";
    panel.appendChild(button("small", "×", function () { panel.hidden = true; cell.classList.remove("on"); cell.focus(); }, "Close"));
    lines.push((name ? name.textContent : row.cells[0].textContent) + ", " + title + ": " + shown);
    lines.push(said.filter(Boolean).join(" · "));
    (cell.getAttribute("data-n") || "").split(" ").forEach(function (n) { if (notes[n - 1]) { lines.push(notes[n - 1]); } });
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
      if (event.key === "ArrowRight") { next = cell.nextElementSibling; while (next && next.hidden) { next = next.nextElementSibling; } }
      if (event.key === "ArrowLeft") { next = cell.previousElementSibling; while (next && next.hidden) { next = next.previousElementSibling; } }
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        var step = event.key === "ArrowDown" ? "nextElementSibling" : "previousElementSibling", other = row[step];
        while (other && other.hidden) { other = other[step]; }
        next = other && other.cells[cell.cellIndex];
      }
      if (next) { event.preventDefault(); move(next); }
    });
  });

  // Narrow screens: wide rows become cards.
  all("table.board:not(.map):not(.compact)").forEach(function (table) {
    if (table.querySelectorAll("thead th").length < 3) { return; }
    table.parentNode.classList.add("cards-view");
    table._rows.forEach(function (row) {
      Array.prototype.forEach.call(row.cells, function (cell, k) { if (k) { cell.setAttribute("data-label", table._heads[k]._title); } });
    });
  });

  // Tabs: the parts of the first page, all shown without this script and on paper.
  var holder = doc.querySelector("[data-tabs]"), tabs = holder ? all(".tab", holder) : [], tabButtons = [];
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
    facets.forEach(function (facet) {
      var values = {};
      if (facet[0] === "rows") {
        if (doc.querySelector(".board tr.published") && doc.querySelector(".board tr.run")) { values = { run: 1, published: 1 }; }
      } else { all("table.board tr[data-" + facet[0] + "]").forEach(function (row) { values[row.getAttribute("data-" + facet[0])] = 1; }); }
      values = Object.keys(values).sort();
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
    return facets.every(function (facet) {
      var key = facet[0];
      if (!state[key]) { return true; }
      return key === "rows" ? row.classList.contains(state[key]) : row.getAttribute("data-" + key) === state[key];
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
    if (!words.length) { if (table._picked) { table._picked = false; table._heads.forEach(function (head, k) { hide(table, k, false); }); foldAll(table, true); } return; }
    table._picked = true;
    table._heads.forEach(function (head, k) { hide(table, k, head.classList.contains("up") && !has(head, words)); });
  }
  function hide(table, k, off) { table._heads[k].hidden = off; table._rows.forEach(function (row) { row.cells[k].hidden = off; }); }

  // Tables and figures as files, made here from what is shown.
  function save(name, text, type) {
    var link = make("a", { download: name, href: URL.createObjectURL(new Blob([text], { type: type })) });
    doc.body.appendChild(link); link.click(); link.remove();
  }
  function cellText(cell) {
    var value = cell.querySelector(".v");
    if (!value) { return (cell.querySelector("a, bdi") || cell).textContent.replace(/[↕↑↓]|\s+/g, " ").trim(); }
    var ends = cell.querySelector(".ci"), range = ends ? ends.textContent.split(" · ")[0] : "", given = /^[−\d.]+(–| to )/.test(range) ? range : (cell.getAttribute("data-d") || "").split(" · ")[0];
    return value.textContent + (given && given.indexOf("n ") !== 0 ? " [" + given.replace(/–| to /, ", ") + "]" : "");
  }
  function matrix(table) {
    var heads = (table._heads || all("thead tr:last-child > *", table)).map(function (head) { return head._title || head.textContent.trim(); });
    var rows = all("tbody tr", table).filter(function (row) { return !row.hidden; }).map(function (row) { return Array.prototype.map.call(row.cells, cellText); });
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
  function drawing(svg) {
    var copy = svg.cloneNode(true), from = [svg].concat(all("*", svg)), to = [copy].concat(all("*", copy));
    from.forEach(function (node, k) {
      var style = getComputedStyle(node);
      ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-size", "font-weight", "font-family", "paint-order"].forEach(function (key) {
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
          want.forEach(function (k) { own.appendChild(row.cells[k].cloneNode(true)); });
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

  function apply() {
    var state = read();
    sortAll(state); showTab(state); show(state);
    if (state.at && doc.getElementById(state.at)) { doc.getElementById(state.at).scrollIntoView(); }
  }
  window.addEventListener("hashchange", apply);
  apply();
})();
