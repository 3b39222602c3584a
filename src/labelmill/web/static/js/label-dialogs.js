// The dialogs of the label page: which key does what (and another one instead), and finding a record or a label.

import { element, fill } from "./label-view.js";

const QUIET = 200;
const MOST = 20;

function keyRow(kind, id, name, keys, changed, { words, isReserved, keyOf }) {
  const current = kind === "label" ? keys.ofLabel(id) : keys.ofAction(id);
  const input = element("input", { value: current.toUpperCase(), maxlength: "1", size: "2", class: "key-input", "aria-label": fill(words.key_of, { name }), autocomplete: "off" });
  const said = element("span", { class: "key-said", role: "status" });
  input.addEventListener("keydown", (event) => {
    const key = keyOf(event);
    if (["Tab", "Shift", "Escape"].includes(event.key)) return;
    event.preventDefault();
    if (event.ctrlKey || event.metaKey || event.altKey || isReserved(event.key) || !key) {
      said.textContent = fill(words.reserved, { key: event.key === " " ? "␣" : event.key });
      return;
    }
    const holder = keys.set(kind, id, key);
    said.textContent = holder ? fill(words.taken, { key: key.toUpperCase() }) : words.key_set;
    if (!holder) input.value = key.toUpperCase();
    changed();
  });
  return element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, input, said));
}

export function helpDialog(root, options) {
  const dialog = root.querySelector("dialog[data-part=help-dialog]");
  const { keys, labels, words, changed } = options;
  const body = dialog.querySelector("tbody");
  const draw = () => body.replaceChildren(
    ...labels.map((label) => keyRow("label", label.id, label.name, keys, changed, options)),
    ...Object.entries(words.actions).map(([action, name]) => keyRow("action", action, name, keys, changed, options)),
  );
  draw();
  dialog.querySelector("[data-reset]").onclick = () => {
    keys.reset();
    draw();
    changed();
  };
  dialog.showModal();
}

export function searchDialog(root, { api, labels, words, open, choose }) {
  const dialog = root.querySelector("dialog[data-part=search-dialog]");
  const input = dialog.querySelector("input");
  const list = dialog.querySelector("ul");
  let waiting = null;
  let turn = 0;

  const row = (text, note, act) => {
    const button = element("button", { type: "button", class: "found" }, element("span", {}, text), element("small", { class: "faint" }, note));
    button.addEventListener("click", () => {
      dialog.close();
      act();
    });
    return element("li", {}, button);
  };

  const look = async () => {
    const wanted = input.value.trim();
    const mine = (turn += 1);
    const found = wanted ? labels.filter((label) => label.name.toLowerCase().includes(wanted.toLowerCase())).slice(0, 5) : [];
    const rows = found.map((label) => row(label.name, words.answer_with, () => choose(label.id)));
    list.replaceChildren(...rows);
    if (!wanted) return;
    try {
      const records = await api.find(wanted, MOST);
      if (mine !== turn) return;
      list.append(...records.map((record) => row(record.content.slice(0, 160), record.given_id ?? `#${record.id}`, () => open(record))));
      if (!list.children.length) list.append(element("li", { class: "faint" }, words.nothing_found));
    } catch {
      if (mine === turn) list.append(element("li", { class: "faint" }, words.no_search));
    }
  };

  input.oninput = () => {
    clearTimeout(waiting);
    waiting = setTimeout(look, QUIET);
  };
  input.onkeydown = (event) => {
    if (event.key === "Enter") {
      event.preventDefault();
      list.querySelector("button")?.click();
    }
    if (event.key === "ArrowDown") {
      event.preventDefault();
      list.querySelector("button")?.focus();
    }
  };
  list.onkeydown = (event) => {
    const all = [...list.querySelectorAll("button")];
    const next = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!next) return;
    event.preventDefault();
    (all[all.indexOf(document.activeElement) + next] ?? input).focus();
  };
  input.value = "";
  list.replaceChildren();
  dialog.showModal();
  input.focus();
}
