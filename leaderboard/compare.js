(function () {
  "use strict";
  var doc = document, box = doc.getElementById("compare"), data = JSON.parse(doc.getElementById("compare-data").textContent);
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
  var names = {}, slugs = {};
  data.models.forEach(function (one, k) { names[one[0]] = k; slugs[one[1]] = one[0]; });
  var form = make("form", { "class": "controls", "aria-label": "Models to compare" }), list = make("datalist", { id: "all-models" });
  var label = make("label", {}, "Add a model "), input = make("input", { name: "model", list: "all-models", autocomplete: "off" });
  data.models.forEach(function (one) { list.appendChild(make("option", { value: one[1] })); });
  label.appendChild(input); form.appendChild(label); form.appendChild(list); form.appendChild(make("button", { type: "submit" }, "Add"));
  var says = make("p", { "class": "status", role: "status" }), chips = make("div", { "class": "chips" }), out = make("div", {});
  [form, chips, says, out].forEach(function (node) { box.appendChild(node); });
  function chosen() {
    var seen = {};
    var text = location.hash.slice(1).split("&")[0];
    try { text = decodeURIComponent(text); } catch (e) { text = ""; }
    return text.split(",").filter(function (slug) { var on = slug in names && !seen[slug]; seen[slug] = 1; return on; }).slice(0, 4);
  }
  function set(list) { location.hash = list.join(","); draw(); }
  form.addEventListener("submit", function (event) {
    event.preventDefault();
    var slug = slugs[input.value], now = chosen();
    if (!slug) { says.textContent = "Nothing found: no model is called “" + input.value + "”."; return; }
    if (now.indexOf(slug) < 0) { now.push(slug); }
    if (now.length > 4) { says.textContent = "Four models at most: remove one first."; return; }
    input.value = ""; set(now);
  });
  function figure(value, digits) { return value.toFixed(digits).replace("-", "−"); }
  function gap(a, b) {
    var d = a[0] - b[0];
    if (a.length < 3 || b.length < 3) { return [d]; }
    return [d, d - Math.hypot(a[0] - a[1], b[2] - b[0]), d + Math.hypot(a[2] - a[0], b[0] - b[1])];
  }
  function cell(row, values, task, base) {
    var td = make("td", {}), d = base ? gap(values, base) : null, sure = d && d.length > 2 && (d[1] > 0 || d[2] < 0);
    td.appendChild(make("span", { "class": "v" }, figure(values[0], task.digits)));
    if (values.length > 2) { td.appendChild(make("span", { "class": "ci" }, figure(values[1], task.digits) + "–" + figure(values[2], task.digits))); }
    if (d) {
      var better = (d[0] > 0) === task.up;
      var text = (d[0] > 0 ? "+" : "") + figure(d[0], task.digits) + (d.length > 2 ? " [" + figure(d[1], task.digits) + ", " + figure(d[2], task.digits) + "]" : "");
      td.appendChild(make("span", { "class": "ci" }, text + (sure ? (better ? " better" : " worse") : d.length > 2 ? " not told apart" : "")));
      if (sure) { td.className = better ? "won" : "lost"; }
    }
    row.appendChild(td);
    return sure ? (better ? 1 : -1) : 0;
  }
  function draw() {
    var now = chosen(), ids = now.map(function (slug) { return names[slug]; });
    chips.textContent = ""; out.textContent = ""; says.textContent = "";
    now.forEach(function (slug) {
      chips.appendChild(button("", data.models[names[slug]][1] + " ×", function () { set(chosen().filter(function (other) { return other !== slug; })); }, "Remove " + data.models[names[slug]][1]));
    });
    if (now.length < 2) { says.textContent = now.length ? "Add another model to compare with." : "Choose two models or more."; return; }
    var n = 0;
    data.sections.forEach(function (section) {
      var common = section.tasks.filter(function (task) { return ids.every(function (id) { return task.v[id]; }); });
      if (!common.length) { return; }
      n += common.length;
      var part = make("section", {}), scroll = make("div", { "class": "scroll", tabindex: "0", role: "region", "aria-label": section.suite + ", " + section.setting }), table = make("table", { "class": "board diff" });
      part.appendChild(make("h2", {}, section.suite + ": " + section.setting));
      var sum = make("p", { "class": "says" }), head = make("thead", {}), line = make("tr", {}), body = make("tbody", {}), wins = ids.map(function () { return [0, 0]; });
      line.appendChild(make("th", { scope: "col" }, "Task"));
      now.forEach(function (slug, k) { line.appendChild(make("th", { scope: "col", "class": "num" }, data.models[names[slug]][1] + (k ? " (minus the first)" : ""))); });
      head.appendChild(line);
      common.forEach(function (task) {
        var row = make("tr", {}), th = make("th", { scope: "row" });
        th.appendChild(make("a", { href: task.href }, task.title)); th.appendChild(make("span", { "class": "sub" }, task.metric));
        row.appendChild(th);
        ids.forEach(function (id, k) { var won = cell(row, task.v[id], task, k ? task.v[ids[0]] : null); if (won > 0) { wins[k][0] += 1; } else if (won < 0) { wins[k][1] += 1; } });
        body.appendChild(row);
        Object.keys(task.parts || {}).forEach(function (name) {
          var values = task.parts[name];
          if (!ids.every(function (id) { return values[id]; })) { return; }
          var sub = make("tr", {}), h = make("th", { scope: "row" });
          h.appendChild(make("span", { "class": "sub" }, name)); sub.appendChild(h);
          ids.forEach(function (id, k) { cell(sub, values[id], task, k ? values[ids[0]] : null); });
          body.appendChild(sub);
        });
      });
      sum.textContent = ids.slice(1).map(function (id, k) {
        return data.models[id][1] + " is better than " + data.models[ids[0]][1] + " beyond noise on " + wins[k + 1][0] + " and worse on " + wins[k + 1][1] + " of " + common.length + " common task" + (common.length === 1 ? "" : "s") + ".";
      }).join(" ");
      part.appendChild(sum); table.appendChild(make("caption", { "class": "hidden" }, section.suite)); table.appendChild(head); table.appendChild(body); scroll.appendChild(table); part.appendChild(scroll); out.appendChild(part);
    });
    says.textContent = n ? n + " common task" + (n === 1 ? "" : "s") + ". Differences are from the two intervals, which errs towards not telling apart." : "These models have no task in common under one setting.";
  }
  window.addEventListener("hashchange", draw);
  draw();
})();
