// Keys: next, previous, flag, note. They can be switched off, as keys of one letter must.
const keys = document.getElementById("keys");
if (keys) {
  keys.checked = localStorage.getItem("ehrbench-keys") !== "off";
  keys.addEventListener("change", () => localStorage.setItem("ehrbench-keys", keys.checked ? "on" : "off"));
  document.addEventListener("keydown", (event) => {
    if (!keys.checked || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const form = document.getElementById("note-form");
    const link = { j: "next", k: "prev" }[event.key];
    if (link) {
      const one = document.querySelector(`.top a[rel=${link}]`);
      if (one) location.assign(one.href);
    } else if (event.key === "f") {
      form.elements.flag.checked = !form.elements.flag.checked;
      form.requestSubmit();
    } else if (event.key === "n") {
      event.preventDefault();
      form.elements.note.focus();
    }
  });
}
