// What every script of the site begins with; render.py puts the scripts of a page into one function.
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
