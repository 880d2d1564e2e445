// Judging: every click is sent at once, one after the other, and again until it is kept.
$$(".needs-script").forEach((one) => one.remove());
const work = $("#item");
if (work) {
  const form = $("#judge"), saved = $(".saved"), lacking = $(".missing");
  const queue = [];
  let version = Number(work.dataset.version), sending = false, halted = false, missing = null;
  let since = performance.now(), spent = 0;
  const tick = () => {
    const now = performance.now();
    if (!document.hidden) spent += Math.min(now - since, 300000);
    since = now;
  };
  document.addEventListener("visibilitychange", () => {
    const now = performance.now();
    if (document.hidden) spent += Math.min(now - since, 300000);
    since = now;
  });
  const say = (text, bad) => { saved.textContent = text; saved.classList.toggle("bad", Boolean(bad)); };
  const pump = async () => {
    if (sending || halted) return;
    sending = true;
    while (queue.length && !halted) {
      const action = queue[0];
      say("Saving …");
      try {
        const reply = await fetch(work.dataset.item, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify({ ...action, seen: version, then: undefined }),
        });
        const said = await reply.json().catch(() => ({ error: "The server refused this. Open your link again." }));
        if (reply.ok) {
          queue.shift();
          ({ version, missing } = said);
          say("All is saved.");
          if (action.then) action.then(said);
        } else if (reply.status === 503) {
          say(said.error, true);
          await new Promise((go) => setTimeout(go, 3000));
        } else {
          halted = true;
          queue.length = 0;
          say(said.error, true);
          form.querySelectorAll("input, textarea, button").forEach((one) => { one.disabled = true; });
        }
      } catch {
        say("Not saved yet: the server does not answer. Keep this page open; it tries again.", true);
        await new Promise((go) => setTimeout(go, 1500));
      }
    }
    sending = false;
  };
  const send = (field, subject, value, then) => {
    tick();
    queue.push({ field, subject, value, client: crypto.randomUUID(), seconds: Math.round(spent / 100) / 10, then });
    spent = 0;
    lacking.textContent = "";
    pump();
  };
  addEventListener("beforeunload", (event) => { if (queue.length) event.preventDefault(); });
  // A page that the browser kept from before shows an old state: ask for the present one.
  addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

  const boxes = (field, subject) => $$(`input[type=checkbox][data-field="${field}"][data-subject="${subject}"]`, form);
  form.addEventListener("change", (event) => {
    const { field, subject } = event.target.dataset;
    if (!field) return;
    let value = event.target.value;
    if (event.target.type === "checkbox") value = boxes(field, subject).filter((box) => box.checked).map((box) => box.value);
    else if (field === "correct") {
      value = value === "yes";
      const why = $(".why", event.target.closest(".answer"));
      why.hidden = value;
      if (value && boxes("reasons", subject).some((box) => box.checked)) {
        boxes("reasons", subject).forEach((box) => { box.checked = false; });
        send("reasons", subject, null);
      }
    } else if (field === "rank" || field.startsWith("scale:")) value = Number(value);
    else if (field === "whole") value = value || null;
    send(field, subject, value);
    if (field === "rank") draw();
  });
  const typed = new Map();
  form.addEventListener("input", (event) => {
    if (event.target.tagName !== "TEXTAREA") return;
    clearTimeout(typed.get(event.target));
    typed.set(event.target, setTimeout(() => event.target.dispatchEvent(new Event("change", { bubbles: true })), 1500));
  });
  form.addEventListener("change", (event) => clearTimeout(typed.get(event.target)), true);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (halted) return;
    send("done", "", true, (said) => {
      if (said.done) location.assign(work.dataset.onward);
      else lacking.textContent = "Still missing: " + said.missing.join("; ") + ".";
    });
  });

  const letters = $$(".answer[data-letter]", form).map((one) => one.dataset.letter);
  const choose = (field, letter, value) => {
    const radio = $(`input[type=radio][name="${field}-${letter}"][value="${value}"]`, form);
    if (radio && !radio.checked) radio.click();
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey) return;
    const letter = event.code.startsWith("Key") ? event.code.slice(3) : "";
    if (event.altKey) {
      if (!letters.includes(letter)) return;
      event.preventDefault();
      const answer = document.getElementById(letter);
      answer.scrollIntoView({ block: "nearest" });
      answer.focus();
      return;
    }
    const answer = event.target.closest && event.target.closest(".answer[data-letter]");
    if (!answer || event.target.tagName === "TEXTAREA") return;
    if (event.key === "y" || event.key === "n") choose("correct", answer.dataset.letter, event.key === "y" ? "yes" : "no");
    else if (/^[1-9]$/.test(event.key)) choose("rank", answer.dataset.letter, event.key);
    else return;
    event.preventDefault();
  });

  // The ranking: letters in boxes, moved by mouse or arrow keys; the radio buttons above hold the truth.
  const board = $(".board");
  const rankOf = (letter) => { const one = $(`input[name="rank-${letter}"]:checked`, form); return one ? Number(one.value) : 0; };
  const draw = (focus) => {
    if (!board) return;
    board.replaceChildren(...Array.from({ length: letters.length + 1 }, (_, rank) => {
      const box = document.createElement("li");
      box.dataset.rank = rank;
      box.textContent = rank === 0 ? "Not ranked" : rank === 1 ? "1 (best)" : String(rank);
      box.append(document.createElement("br"));
      for (const letter of letters.filter((one) => rankOf(one) === rank)) {
        const chip = document.createElement("button");
        chip.type = "button";
        chip.className = "chip";
        chip.draggable = true;
        chip.dataset.letter = letter;
        chip.textContent = letter;
        chip.setAttribute("aria-label", `Answer ${letter}, ${rank ? "rank " + rank : "not ranked"}; arrow keys move it`);
        box.append(chip);
      }
      return box;
    }));
    if (focus) $(`.chip[data-letter="${focus}"]`, board).focus();
  };
  if (board) {
    draw();
    const move = (letter, rank) => { if (rank >= 1 && rank <= letters.length) { choose("rank", letter, rank); draw(letter); } };
    board.addEventListener("keydown", (event) => {
      const chip = event.target.closest(".chip");
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (!chip) return;
      if (step) { event.preventDefault(); move(chip.dataset.letter, rankOf(chip.dataset.letter) + step); }
      else if (/^[1-9]$/.test(event.key)) { event.preventDefault(); move(chip.dataset.letter, Number(event.key)); }
    });
    board.addEventListener("dragstart", (event) => event.dataTransfer.setData("text/plain", event.target.dataset.letter));
    board.addEventListener("dragover", (event) => { event.preventDefault(); const box = event.target.closest("li"); if (box) box.classList.add("over"); });
    board.addEventListener("dragleave", (event) => { const box = event.target.closest("li"); if (box) box.classList.remove("over"); });
    board.addEventListener("drop", (event) => {
      event.preventDefault();
      const box = event.target.closest("li");
      if (box) move(event.dataTransfer.getData("text/plain"), Number(box.dataset.rank));
    });
  }
}
