(function () {
  "use strict";
  var doc = document, root = doc.documentElement;
  function all(selector, from) { return Array.prototype.slice.call((from || doc).querySelectorAll(selector)); }
  function make(tag, attributes, text) {
    var node = doc.createElement(tag);
    Object.keys(attributes || {}).forEach(function (key) { node.setAttribute(key, attributes[key]); });
    if (text) { node.textContent = text; }
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
  var switcher = make("button", { type: "button", "class": "theme" }), top = doc.querySelector(".top");
  function nameTheme() { switcher.textContent = "Theme: " + theme; }
  switcher.addEventListener("click", function () {
    setTheme(themes[(themes.indexOf(theme) + 1) % 3]); store(theme); nameTheme();
  });
  nameTheme();
  if (top) { top.appendChild(switcher); }

  // The address after # is the whole state of the page: filters, search and sort order.
  function read() {
    var state = {};
    location.hash.replace(/^#/, "").split("&").forEach(function (part) {
      var at = part.indexOf("=");
      if (at > 0) { try { state[decodeURIComponent(part.slice(0, at))] = decodeURIComponent(part.slice(at + 1)); } catch (e) { /* a broken link filters nothing */ } }
    });
    return state;
  }
  function write(state, quietly) {
    var hash = "#" + Object.keys(state).sort().filter(function (key) { return state[key] !== ""; }).map(function (key) {
      return encodeURIComponent(key) + "=" + encodeURIComponent(state[key]);
    }).join("&");
    if (hash === "#") { hash = location.hash ? "#all=1" : ""; }
    if (hash === location.hash || hash === "") { return; }
    if (quietly) { history.replaceState(null, "", hash); } else { location.hash = hash; }
  }

  var tables = all("table.board");
  tables.forEach(function (table, at) {
    var named = table.closest("section[id], details[id]"), rows = all("tbody tr", table);
    table._id = (named && named.id) || "t" + at;
    rows.forEach(function (row, k) { row._place = k; });
    all("thead th", table).forEach(function (head, column) {
      var key = head.getAttribute("data-key");
      if (!key || rows.length < 2) { return; }
      var label = head.firstChild && head.firstChild.textContent.trim() || key;
      var button = make("button", { type: "button", "class": "sort", "aria-label": "Sort by " + label }, "↕");
      button.addEventListener("click", function () {
        var state = read(), mine = (state.sort || "").split("~"), first = head.classList.contains("num") && !head.hasAttribute("data-low") ? "d" : "a";
        var now = mine[0] === table._id && mine[1] === key ? mine[2] : "";
        var next = now === "" ? first : now === first ? (first === "d" ? "a" : "d") : "";
        state.sort = next ? [table._id, key, next].join("~") : "";
        write(state); sortAll(state);
      });
      head.insertBefore(button, head.querySelector(".sub"));
      head._column = column;
    });
  });

  function worth(row, column) {
    var cell = row.cells[column], value = cell && cell.getAttribute("data-v");
    if (value !== null && value !== undefined) { return parseFloat(value); }
    if (cell && cell.tagName === "TD" && (cell.className === "none" || !cell.textContent.trim())) { return null; }
    return cell ? cell.textContent.trim().toLowerCase() : null;
  }
  function sortTable(table, key, order) {
    var body = table.tBodies[0], column = -1;
    all("thead th", table).forEach(function (head) {
      var on = key !== "" && head.getAttribute("data-key") === key && head._column !== undefined, button = head.querySelector(".sort");
      if (on) { column = head._column; head.setAttribute("aria-sort", order === "d" ? "descending" : "ascending"); } else { head.removeAttribute("aria-sort"); }
      if (button) { button.textContent = on ? (order === "d" ? "↓" : "↑") : "↕"; }
    });
    var numeric = column >= 0 && all("td[data-v]", body).some(function (cell) { return cell.cellIndex === column; });
    var rows = all("tr", body).sort(function (a, b) {
      if (column < 0) { return a._place - b._place; }
      var x = worth(a, column), y = worth(b, column);
      if (numeric && typeof x === "string") { x = null; }
      if (numeric && typeof y === "string") { y = null; }
      if (x === null || y === null) { return (x === null) - (y === null) || a._place - b._place; }
      return (x < y ? -1 : x > y ? 1 : 0) * (order === "d" ? -1 : 1) || a._place - b._place;
    });
    rows.forEach(function (row) { body.appendChild(row); });
  }
  function sortAll(state) {
    var want = (state.sort || "").split("~");
    tables.forEach(function (table) {
      if (want.length === 3 && want[0] === table._id) { sortTable(table, want[1], want[2]); } else { sortTable(table, "", ""); }
    });
  }

  // Filters: whole tables are shown or hidden, never joined.
  var boards = doc.querySelector(".boards"), parts = ["data", "protocol", "track", "context", "window", "prompt"], controls = {};
  var sections = boards ? all("section.setting", boards) : [], status = make("p", { "class": "status", role: "status" });
  function search(parent) {
    var label = make("label", {}, "Search "), input = make("input", { type: "search", name: "q", autocomplete: "off", spellcheck: "false" });
    input.addEventListener("input", function () { var state = read(); state.q = input.value; write(state, true); show(state); });
    label.appendChild(input); parent.appendChild(label); controls.q = input;
  }
  function choice(parent, key, label, values) {
    var box = make("label", {}, label + " "), select = make("select", { name: key });
    select.appendChild(make("option", { value: "" }, "all"));
    values.forEach(function (value) { select.appendChild(make("option", { value: value }, value)); });
    select.addEventListener("change", function () { var state = read(); state[key] = select.value; write(state); show(state); });
    box.appendChild(select); parent.appendChild(box); controls[key] = select;
  }
  var lone = !boards && tables.length === 1 && all("tbody tr", tables[0]).length > 7 ? tables[0] : null;
  if (sections.length || lone) {
    var bar = make("form", { "class": "controls", role: "search", "aria-label": "Filter" });
    bar.addEventListener("submit", function (event) { event.preventDefault(); });
    search(bar);
    parts.forEach(function (key) {
      var values = [];
      sections.forEach(function (section) { var value = section.getAttribute("data-" + key); if (values.indexOf(value) < 0) { values.push(value); } });
      if (values.length > 1) { choice(bar, key, key.charAt(0).toUpperCase() + key.slice(1), values); }
    });
    if (doc.querySelector(".board tr.published") && doc.querySelector(".board tr.run")) { choice(bar, "rows", "Rows", ["run", "published"]); }
    var holder = boards || lone.parentNode;
    holder.parentNode.insertBefore(bar, holder);
    holder.parentNode.insertBefore(status, holder);
  }
  function show(state) {
    if (!controls.q) { return; }
    var words = (state.q || "").toLowerCase().split(/\s+/), hidden = [], shownTables = 0, shownRows = 0, allRows = 0;
    Object.keys(controls).forEach(function (key) {
      var value = state[key] || "";
      if (controls[key].value !== value) { controls[key].value = value; }
      if (value) { hidden.push((key === "q" ? "search" : key) + " “" + value + "”"); }
    });
    (sections.length ? sections : [lone]).forEach(function (section) {
      var fits = parts.every(function (key) { return !controls[key] || !state[key] || section.getAttribute("data-" + key) === state[key]; }), n = 0;
      all("tbody tr", section).forEach(function (row) {
        var name = (row.getAttribute("data-name") || "").toLowerCase();
        var on = words.every(function (word) { return name.indexOf(word) >= 0; }) && (!controls.rows || !state.rows || row.classList.contains(state.rows));
        row.hidden = !on;
        if (!row.closest("details")) { allRows += 1; n += on ? 1 : 0; }
      });
      if (section !== lone) { section.hidden = !fits || !n; }
      if (fits && n) { shownTables += 1; shownRows += n; }
    });
    status.textContent = (sections.length > 1 ? shownTables + " of " + sections.length + " tables, " : "") + shownRows + " of " + allRows + " rows shown" + (hidden.length ? "; filtered by " + hidden.join(", ") : "");
  }
  function apply() { var state = read(); sortAll(state); show(state); }
  window.addEventListener("hashchange", apply);
  apply();
})();
