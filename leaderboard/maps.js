// Categories of a map: folded to their own standing until asked for.
tables.forEach(function (table) {
  var heads = all("thead th[data-total]", table);
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
