// The last of a page's scripts: takes up what the address says.
function apply() {
  var state = read();
  steps.forEach(function (step) { step(state); });
  if (state.at && doc.getElementById(state.at)) { doc.getElementById(state.at).scrollIntoView(); }
}
window.addEventListener("hashchange", apply);
apply();
