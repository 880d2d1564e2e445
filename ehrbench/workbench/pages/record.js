"use strict";
// The record: earlier and later pages as one scrolls, jumps and searches without leaving the page.
const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => Array.from(root.querySelectorAll(selector));

const record = $(".record");
if (record) {
  const scroller = $(".scroller", record);
  const address = (page) => `${record.dataset.base}/page/${page}${record.dataset.query}`;
  const pages = () => $$(".page", scroller).map((page) => Number(page.dataset.page));
  const fetchPage = async (number) => {
    const reply = await fetch(address(number));
    if (!reply.ok) throw new Error(String(reply.status));
    const holder = document.createElement("template");
    holder.innerHTML = await reply.text();
    return holder.content.firstElementChild;
  };
  const more = (kind, where) => {
    let one = $(`.more .${kind}`, scroller);
    const [first, last] = [Math.min(...pages()), Math.max(...pages())];
    const number = kind === "earlier" ? first - 1 : last + 1;
    if (number < 0 || number > Number(record.dataset.last)) { if (one) one.parentElement.remove(); return; }
    if (!one) {
      one = document.createElement("a");
      one.className = kind;
      one.textContent = kind === "earlier" ? "Earlier entries" : "Later entries";
      const p = document.createElement("p");
      p.className = "more";
      p.append(one);
      where === "top" ? scroller.prepend(p) : scroller.append(p);
    }
    one.href = "?page=" + number;
  };
  let loading = false;
  const extend = async (kind) => {
    if (loading) return;
    const number = kind === "earlier" ? Math.min(...pages()) - 1 : Math.max(...pages()) + 1;
    if (number < 0 || number > Number(record.dataset.last)) return;
    loading = true;
    try {
      const page = await fetchPage(number);
      const all = $$(".page", scroller);
      if (kind === "earlier") {
        const before = scroller.scrollHeight;
        all[0].before(page);
        scroller.scrollTop += scroller.scrollHeight - before;
      } else all[all.length - 1].after(page);
      more("earlier", "top");
      more("later", "bottom");
    } catch { /* the link stays, and says where it leads */ } finally { loading = false; }
  };
  scroller.addEventListener("click", (event) => {
    const link = event.target.closest(".more a");
    if (!link) return;
    event.preventDefault();
    extend(link.className);
  });
  scroller.addEventListener("scroll", () => {
    if (scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 300) extend("later");
    else if (scroller.scrollTop < 100) extend("earlier");
  }, { passive: true });
  const show = async (number, block) => {
    if (!pages().includes(number)) {
      const page = await fetchPage(number);
      $$(".page, .more", scroller).forEach((old) => old.remove());
      scroller.append(page);
      more("earlier", "top");
      more("later", "bottom");
    }
    const target = block === undefined ? $(`.page[data-page="${number}"]`, scroller) : document.getElementById("b" + block);
    if (target) scroller.scrollTop += target.getBoundingClientRect().top - scroller.getBoundingClientRect().top - 8;
  };
  const jump = $(".jump", record);
  if (jump) {
    jump.addEventListener("submit", (event) => { event.preventDefault(); show(Number(jump.elements.page.value)); });
    jump.elements.page.addEventListener("change", () => show(Number(jump.elements.page.value)));
  }
  const find = $(".find", record);
  find.addEventListener("submit", async (event) => {
    event.preventDefault();
    const reply = await fetch(`${record.dataset.base}/hits${record.dataset.query}`, { method: "POST", body: new URLSearchParams(new FormData(find)) });
    if (reply.ok) $(".hits", record).innerHTML = await reply.text();
  });
  $(".hits", record).addEventListener("click", async (event) => {
    const link = event.target.closest("a");
    if (!link) return;
    event.preventDefault();
    await show(Number(link.dataset.page), link.dataset.block);
    const words = find.elements.words.value.trim().split(/\s+/).join(" ").toLowerCase();
    const block = document.getElementById("b" + link.dataset.block);
    if (!block || !window.Highlight || !CSS.highlights) return;
    const ranges = [];
    const walker = document.createTreeWalker(block, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const text = node.data.toLowerCase();
      for (let at = text.indexOf(words); at >= 0; at = text.indexOf(words, at + words.length)) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + words.length);
        ranges.push(range);
      }
    }
    CSS.highlights.set("found", new Highlight(...ranges));
  });
}
