// Sends the form of a rule set as it is typed, and puts in what the server says about it. Without it the buttons do the same.

const form = document.querySelector("form[data-rules]");
const rows = form.querySelector("[data-rows]");
const status = form.querySelector("[data-status]");
const template = document.querySelector("#new-row");
const QUIET = 350;

let waiting = null;
let asking = null;
let changed = false;

function put(page) {
  for (const fresh of page.querySelectorAll("[data-live]")) {
    const present = document.getElementById(fresh.id);
    if (present && present.innerHTML !== fresh.innerHTML) present.replaceChildren(...fresh.childNodes);
  }
}

async function look() {
  asking?.abort();
  const mine = new AbortController();
  asking = mine;
  status.textContent = status.dataset.words;
  const fields = new URLSearchParams(new FormData(form));
  fields.set("action", "preview");
  try {
    const answer = await fetch(form.getAttribute("action"), { method: "POST", body: fields, signal: mine.signal, headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (!page.querySelector("form[data-rules]")) throw new Error(page.querySelector("[role=alert]")?.textContent ?? "");
    put(page);
    status.textContent = "";
  } catch (error) {
    if (error.name !== "AbortError") status.textContent = error.message.trim() && !(error instanceof TypeError) ? error.message : status.dataset.lost;
  }
}

function soon() {
  clearTimeout(waiting);
  if ("auto" in form.dataset) waiting = setTimeout(look, QUIET);
}

function add(label, type) {
  const keys = [...rows.querySelectorAll("tr[data-key^=n]")].map((row) => Number(row.dataset.key.slice(1)));
  const key = `n${Math.max(0, ...keys) + 1}`;
  const row = template.content.firstElementChild.cloneNode(true);
  row.dataset.key = key;
  for (const element of [row, ...row.querySelectorAll("*")]) {
    for (const name of ["id", "value", "aria-describedby"]) {
      const value = element.getAttribute(name);
      if (value && /(^|-)n0$/.test(value)) element.setAttribute(name, value.replace(/n0$/, key));
    }
  }
  row.querySelector("[name=label]").value = label;
  row.querySelector("[name=type]").value = type;
  rows.append(row);
  row.querySelector(label ? "[name=content]" : "[name=label]").focus();
}

function addAfterLast() {
  const last = [...rows.querySelectorAll("tr")].reverse().find((row) => row.querySelector("[name=content]").value);
  const blank = [...rows.querySelectorAll("tr[data-key^=n]")].find((row) => !row.querySelector("[name=content]").value && !row.querySelector("[name=label]").value);
  const label = last?.querySelector("[name=label]").value ?? "";
  const type = last?.querySelector("[name=type]").value ?? "partially";
  if (!blank) {
    add(label, type);
    return;
  }
  blank.querySelector("[name=label]").value = label;
  blank.querySelector("[name=type]").value = type;
  blank.querySelector(label ? "[name=content]" : "[name=label]").focus();
}

form.addEventListener("input", (event) => {
  const { name } = event.target;
  if (!["text", "source", "text_column", "gold_column", "rows"].includes(name)) changed = true;
  if (name === "remove") event.target.closest("tr").classList.toggle("gone", event.target.checked);
  if (name !== "note") soon();
});

// Enter goes on to the next line, as in a table; it never sends the form by accident.
form.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing || !(event.target instanceof HTMLInputElement)) return;
  event.preventDefault();
  const row = event.target.closest("tr.rule");
  const next = row?.nextElementSibling?.querySelector(`[name=${event.target.name}]`);
  if (next) next.focus();
  else if (row && template.content.firstElementChild) addAfterLast();
  else look();
});

form.addEventListener("submit", (event) => {
  if (event.submitter?.value === "save") {
    changed = false;
    return;
  }
  event.preventDefault();
  look();
});

addEventListener("beforeunload", (event) => {
  if (changed) event.preventDefault();
});

const adder = form.querySelector("[data-add-rule]");
if (adder) {
  adder.hidden = false;
  adder.addEventListener("click", addAfterLast);
}
