(function () {
  var box = doc.getElementById("compare"), data = JSON.parse(doc.getElementById("compare-data").textContent);
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
  // A difference with its interval: of the stored test of two runs on their common items, or of the two runs' own intervals.
  function gap(values, id, base, tests) {
    var a = values[id], b = values[base], d = a[0] - b[0], test = tests && tests[Math.min(id, base) + "," + Math.max(id, base)];
    if (test) { return id < base ? { d: test[0], low: test[1], high: test[2], n: test[3] } : { d: -test[0], low: -test[2], high: -test[1], n: test[3] }; }
    if (a.length < 3 || b.length < 3) { return { d: d }; }
    return { d: d, low: d - Math.hypot(a[0] - a[1], b[2] - b[0]), high: d + Math.hypot(a[2] - a[0], b[0] - b[1]) };
  }
  function sign(gap, task) { return gap.low > 0 || gap.high < 0 ? ((gap.d > 0) === task.up ? 1 : -1) : 0; }
  function spoken(gap, task) {
    var ends = gap.low === undefined ? "" : " [" + figure(gap.low, task.digits) + ", " + figure(gap.high, task.digits) + "]";
    return (gap.d > 0 ? "+" : "") + figure(gap.d, task.digits) + ends;
  }
  function cell(row, values, task, id, base, tests) {
    var td = make("td", {}), own = values[id], sure = 0;
    td.appendChild(make("b", {}, figure(own[0], task.digits)));
    if (own.length > 2) { td.appendChild(make("small", {}, figure(own[1], task.digits) + "–" + figure(own[2], task.digits))); }
    if (id !== base) {
      var d = gap(values, id, base, tests);
      sure = sign(d, task);
      td.appendChild(make("small", {}, spoken(d, task) + (sure ? (sure > 0 ? " better" : " worse") : d.low === undefined ? "" : " not told apart")));
      if (d.n) { td.appendChild(make("small", {}, "item by item, n " + d.n)); }
      if (sure) { td.className = sure > 0 ? "won" : "lost"; }
    }
    row.appendChild(td);
    return sure;
  }
  // Where two models part: the subsets of items whose differences are certain, the largest share of the metric's range first.
  function parting(common, ids) {
    var found = [];
    common.forEach(function (task) {
      Object.keys(task.parts || {}).forEach(function (name) {
        ids.slice(1).forEach(function (id) {
          var values = task.parts[name], d = values[id] && values[ids[0]] ? gap(values, id, ids[0]) : null, sure = d ? sign(d, task) : 0;
          if (sure) { found.push([Math.abs(d.d) / task.width, data.models[id][1] + (sure > 0 ? " better" : " worse") + " on " + task.title + ", " + name + ": " + spoken(d, task)]); }
        });
      });
    });
    found.sort(function (a, b) { return b[0] - a[0]; });
    return found.slice(0, 5).map(function (one) { return one[1]; });
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
        ids.forEach(function (id, k) { var won = cell(row, task.v, task, id, ids[0], task.tests); if (won > 0) { wins[k][0] += 1; } else if (won < 0) { wins[k][1] += 1; } });
        body.appendChild(row);
        Object.keys(task.parts || {}).forEach(function (name) {
          var values = task.parts[name];
          if (!ids.every(function (id) { return values[id]; })) { return; }
          var sub = make("tr", {}), h = make("th", { scope: "row" });
          h.appendChild(make("span", { "class": "sub" }, name)); sub.appendChild(h);
          ids.forEach(function (id) { cell(sub, values, task, id, ids[0]); });
          body.appendChild(sub);
        });
      });
      sum.textContent = ids.slice(1).map(function (id, k) {
        var verdicts = [["better", wins[k + 1][0]], ["worse", wins[k + 1][1]]].filter(function (one) { return one[1]; }).map(function (one) { return one[0] + " on " + one[1]; });
        var of = common.length + " common task" + (common.length === 1 ? "" : "s"), name = data.models[id][1], first = data.models[ids[0]][1];
        return verdicts.length ? name + " against " + first + ", beyond noise: " + verdicts.join(", ") + " of " + of + "." : name + " cannot be told from " + first + (common.length === 1 ? " on the common task." : " on any of " + of + ".");
      }).join(" ");
      part.appendChild(sum);
      var apart = parting(common, ids), where = make("ul", { "class": "notes" });
      apart.forEach(function (text) { where.appendChild(make("li", {}, text)); });
      if (apart.length) { part.appendChild(make("p", { "class": "facts" }, "Where they part most:")); part.appendChild(where); }
      table.appendChild(make("caption", { "class": "hidden" }, section.suite)); table.appendChild(head); table.appendChild(body); scroll.appendChild(table); part.appendChild(scroll); out.appendChild(part);
    });
    says.textContent = n ? n + " common task" + (n === 1 ? "" : "s") + "." : "These models have no task in common under one setting.";
  }
  window.addEventListener("hashchange", draw);
  draw();
})();
