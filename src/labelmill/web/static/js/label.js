// The label page: one key answers, saves and goes on. What is shown next is here already; what was answered is sent in the background.

import { Api } from "./label-api.js";
import { Keys, isReserved, keyOf } from "./label-keys.js";
import { Outbox, isArchived } from "./label-outbox.js";
import { Pictures, drawButtons, drawRecord, drawSaved, fill, tell } from "./label-view.js";
import { helpDialog, searchDialog } from "./label-dialogs.js";

// Records that are here before they are wanted: never fewer than the first while there are more, filled up to the second.
const FEWEST = 6;
const AHEAD = 10;
// What the server takes at once.
const MOST_HELD = 200;
const root = document.querySelector("[data-label-page]");
const start = JSON.parse(root.dataset.start);
const words = JSON.parse(root.dataset.words);
const part = (name) => root.querySelector(`[data-part=${name}]`);
const buttons = [...root.querySelectorAll("[data-label]")];
const place = `labelmill.${start.dataset}.${start.annotator}`;

// As they are called on the buttons, in the reader's language.
for (const label of start.labels) label.name = root.querySelector(`[data-label="${label.id}"] .label-name`).textContent;

const api = new Api(start);
const keys = new Keys(`${place}.keys`, start.labels);
const pictures = new Pictures();
const outbox = new Outbox(`${place}.outbox`, { send, changed: showSaved, refused });

// Records in the order in which they were seen, and where in it we are; the last one is not answered yet.
let trail = [];
let at = -1;
let ahead = [];
let done = [];
let served = { state: start.state, retry: start.retry_seconds };
let chosen = [];
let asking = null;
let askAgain = null;
let lineTimer = null;
let today = answersToday();
let suggests = start.suggest && read("suggest") !== "off";

function read(name) {
  try {
    return localStorage.getItem(`${place}.${name}`);
  } catch {
    return null;
  }
}

function write(name, value) {
  try {
    localStorage.setItem(`${place}.${name}`, value);
  } catch {
    // It holds until the page is left.
  }
}

const here = () => trail[at];
const isFresh = (step) => step && step.answer === null && !step.skipped;
// What the server must not give out again: what lies here, and what it does not know yet to be answered.
const held = () => [...new Set([...ahead.map((record) => record.id), ...trail.filter(isFresh).map((step) => step.record.id), ...outbox.entries.map((entry) => entry.record_id).filter(Boolean)])].slice(0, MOST_HELD);

/* Records */

async function fetchMore() {
  clearTimeout(askAgain);
  if (asking || ahead.length >= FEWEST) return;
  const before = held();
  asking = api.next(AHEAD - ahead.length, before);
  try {
    served = await asking;
    const known = new Set(held());
    const fresh = served.records.filter((record) => !known.has(record.id));
    // What was put off meanwhile, or is still on its way, comes again: "done" was too early.
    const isEarly = outbox.count > 0 || before.some((id) => !known.has(id));
    for (const record of fresh) pictures.prepare(record);
    ahead.push(...fresh);
    if (served.state !== "record" || !fresh.length) later(isEarly ? 1 : served.state === "done" ? 15 : served.retry || 5);
  } catch (error) {
    const known = { 401: "signed-out", 403: "forbidden", 404: "forbidden" };
    served = { state: isArchived(error) ? "archived" : known[error.status] ?? "offline", retry: 3 };
    later(3);
  } finally {
    asking = null;
  }
  root.dataset.ahead = ahead.length;
  if (here()) return;
  // Without a new one nothing is asked again at once: who is done or offline would ask without end.
  if (ahead.length) step(trail.length);
  else show();
}

function later(seconds) {
  clearTimeout(askAgain);
  askAgain = setTimeout(fetchMore, seconds * 1000);
}

function step(to) {
  if (to >= trail.length) {
    const record = ahead.shift();
    if (record) trail.push({ record, answer: null, before: [], skipped: false });
    to = trail.length - (record ? 1 : 0);
  }
  root.dataset.ahead = ahead.length;
  at = Math.max(0, to);
  if (trail.length > 400) {
    trail.splice(0, 100);
    at -= 100;
  }
  show();
  fetchMore();
}

/* What a key or a button does */

function answer(labels) {
  const now = here();
  if (!now || !labels.length) return;
  now.before.push(now.answer);
  now.answer = labels;
  now.skipped = false;
  done.push(now);
  outbox.add({ kind: "answer", record_id: now.record.id, label_ids: labels, shown_at: now.record.shown_at });
  if (now.before.at(-1) === null) count(1);
  step(at + 1);
}

function choose(id) {
  if (!here()) return;
  if (!start.several) answer([id]);
  else {
    chosen = chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id];
    drawChoice();
  }
}

function skip() {
  const now = here();
  if (!now) return;
  if (now.answer === null) {
    now.skipped = true;
    done.push(now);
    outbox.add({ kind: "skip", record_id: now.record.id });
  }
  step(at + 1);
}

function undo() {
  const last = done.pop();
  if (!last) {
    tell(part("toasts"), words.nothing_to_undo);
    return;
  }
  const index = trail.indexOf(last);
  if (last.skipped) last.skipped = false;
  else {
    const before = last.before.pop() ?? null;
    last.answer = before;
    if (!outbox.takeBack(last.record.id)) {
      outbox.add(before ? { kind: "answer", record_id: last.record.id, label_ids: before, shown_at: last.record.shown_at } : { kind: "withdraw", record_id: last.record.id });
    }
    if (before === null) count(-1);
  }
  if (index < 0) trail.splice(at, 0, last);
  step(index < 0 ? at : index);
  tell(part("toasts"), words.undone);
}

function back() {
  if (at > 0) step(at - 1);
}

const canGoForth = () => at < trail.length - 1 || Boolean(here() && !isFresh(here()));

function forth() {
  if (canGoForth()) step(at + 1);
}

function open(record) {
  const index = trail.findIndex((each) => each.record.id === record.id);
  if (index >= 0) step(index);
  else {
    trail.splice(Math.min(at, trail.length), 0, { record, answer: record.answer ?? null, before: record.answer ? [null] : [], skipped: false });
    step(Math.min(at, trail.length - 1));
  }
}

const doing = {
  undo,
  skip,
  help: () => helpDialog(root, { keys, labels: start.labels, words, isReserved, keyOf, changed: drawChoice }),
  search: () => searchDialog(root, { api, labels: start.labels, words, open: async (record) => open(await api.answered(record, start.annotator)), choose }),
  guidelines: () => {
    const panel = part("guidelines");
    panel.open = !panel.open;
    if (panel.open) panel.scrollIntoView({ block: "nearest" });
  },
  bulk: () => location.assign(part("bulk").href),
  suggestions: () => {
    suggests = !suggests;
    write("suggest", suggests ? "on" : "off");
    drawChoice();
    tell(part("toasts"), suggests ? words.suggestions_on : words.suggestions_off);
  },
};

/* Figures */

async function send(entries) {
  const outcomes = await api.send(entries);
  lineSoon();
  return outcomes;
}

function lineSoon() {
  lineTimer ??= setTimeout(async () => {
    const line = document.hidden ? null : await api.line();
    if (line) {
      part("bar").value = line.dataset.answered;
      part("line").replaceWith(line);
      sayHowLongAgo();
    }
    lineTimer = null;
  }, 2500);
}

function sayHowLongAgo() {
  const format = new Intl.RelativeTimeFormat(document.documentElement.lang, { style: "short" });
  for (const time of root.querySelectorAll("[data-ago] time")) {
    const seconds = Math.max(0, (Date.now() - new Date(time.dateTime)) / 1000);
    const [unit, length] = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]].find((each) => seconds >= each[1]) ?? ["second", 1];
    time.textContent = format.format(-Math.floor(seconds / length), unit);
  }
}

/* Painting */

function show() {
  const now = here();
  const state = now ? "record" : served.state === "record" ? "loading" : served.state;
  root.dataset.state = state;
  for (const pane of root.querySelectorAll("[data-pane]")) pane.hidden = pane.dataset.pane !== state;
  for (const button of buttons) (button.querySelector("input") ?? button).disabled = !now;
  for (const name of ["skip", "confirm"]) if (part(name)) part(name).disabled = !now;
  part("undo").disabled = !done.length;
  part("back").disabled = at <= 0;
  part("forth").disabled = !canGoForth();
  chosen = now?.answer ?? [];
  drawChoice();
  const note = part("note");
  note.textContent = !now || isFresh(now) ? "" : now.skipped ? words.was_skipped : words.was_answered;
  note.dataset.kind = isFresh(now) ? "" : "seen";
  if (now) drawRecord(part("record"), now.record, start.kind, pictures, words);
}

function drawChoice() {
  const now = here();
  drawButtons(buttons, { chosen, suggestion: now?.record.suggestion, suggests: suggests && isFresh(now), keys, words });
  part("suggestions").setAttribute("aria-pressed", String(suggests));
  for (const [action, name] of [["undo", "undo"], ["skip", "skip"], ["guidelines", "guidelines-key"], ["bulk", "bulk"], ["search", "search"], ["help", "help"], ["suggestions", "suggestions"]]) {
    const printed = part(name)?.querySelector("kbd");
    if (printed) printed.textContent = keys.ofAction(action).toUpperCase();
  }
}

function showSaved() {
  drawSaved(part("saved"), outbox, words);
}

function count(by) {
  today = Math.max(0, today + by);
  part("today").textContent = today.toLocaleString(document.documentElement.lang);
}

// The server counts by quarters of an hour: only here is known when the day began.
function answersToday() {
  const midnight = new Date().setHours(0, 0, 0, 0) / 1000;
  return Object.entries(start.today).reduce((sum, [quarter, answers]) => sum + (Number(quarter) >= midnight ? answers : 0), 0);
}

function refused(entry, problem) {
  // Nothing to take back: so much the better.
  if (entry.kind === "withdraw" && problem?.status === 404) return;
  const step = trail.find((each) => each.record.id === entry.record_id);
  if (entry.kind === "answer" && step) {
    step.answer = step.before.pop() ?? null;
    done = done.filter((each) => each !== step);
    step.skipped = step.answer === null;
    count(-1);
  }
  const text = problem?.code === "record-full" ? words.full : problem?.detail ?? words.refused;
  const line = document.createElement("li");
  line.textContent = `${fill(words.record, { id: entry.record_id ?? "" })}: ${text}`;
  part("refused").querySelector("ul").append(line);
  part("refused").hidden = false;
}

/* Hands */

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "z") {
    event.preventDefault();
    undo();
    return;
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
    event.preventDefault();
    (event.key === "ArrowLeft" ? back : forth)();
    return;
  }
  if (event.key === "Backspace") event.preventDefault();
  if (event.key === "Enter" && start.several && !event.target.closest("a, summary, button")) {
    event.preventDefault();
    answer(chosen);
    return;
  }
  const meaning = keys.meaning(keyOf(event)) ?? (event.key === "?" ? { action: "help" } : undefined);
  // A key that is held down answers once, not thirty times a second.
  if (!meaning || event.repeat) return;
  event.preventDefault();
  if (meaning.label !== undefined) choose(meaning.label);
  else doing[meaning.action]();
});

root.addEventListener("submit", (event) => {
  if (!event.target.matches("[data-label-form]")) return;
  event.preventDefault();
  const pressed = event.submitter;
  if (pressed?.dataset.part === "skip") skip();
  else if (pressed?.dataset.part === "undo") undo();
  else if (pressed?.dataset.part === "confirm") answer(chosen);
  else if (pressed?.name === "label") choose(Number(pressed.value));
});
root.addEventListener("change", (event) => event.target.name === "label" && choose(Number(event.target.value)));

for (const [name, act] of Object.entries({ back, forth, help: doing.help, search: doing.search, suggestions: doing.suggestions })) {
  part(name).addEventListener("click", act);
}
part("refused").querySelector("button").addEventListener("click", () => {
  part("refused").hidden = true;
  part("refused").querySelector("ul").replaceChildren();
});
for (const button of root.querySelectorAll("[data-retry]")) button.addEventListener("click", () => { fetchMore(); outbox.flush(); });

// A thumb: to the left goes on (skips), to the right goes back.
let touched = null;
part("record").addEventListener("touchstart", (event) => {
  const [first] = event.touches;
  touched = event.touches.length === 1 ? { x: first.clientX, y: first.clientY, at: Date.now() } : null;
}, { passive: true });
part("record").addEventListener("touchend", (event) => {
  if (!touched) return;
  const [last] = event.changedTouches;
  const [x, y] = [last.clientX - touched.x, last.clientY - touched.y];
  if (Math.abs(x) > 70 && Math.abs(y) < 40 && Date.now() - touched.at < 600) (x < 0 ? (isFresh(here()) ? skip : forth) : back)();
  touched = null;
}, { passive: true });

addEventListener("beforeunload", (event) => {
  if (outbox.count) event.preventDefault();
});
addEventListener("pagehide", () => api.release(ahead.map((record) => record.id)));
addEventListener("online", fetchMore);
addEventListener("offline", showSaved);
addEventListener("pageshow", (event) => event.persisted && location.reload());

/* Begin */

const unsent = new Map(outbox.entries.filter((entry) => entry.kind === "answer").map((entry) => [entry.record_id, entry]));
for (const mine of start.mine) trail.push({ record: mine, answer: unsent.get(mine.id)?.label_ids ?? mine.answer, before: [null], skipped: false });
done = [...trail];
at = trail.length;
ahead = start.records.filter((record) => !unsent.has(record.id) && !trail.some((each) => each.record.id === record.id));
for (const record of ahead) pictures.prepare(record);
for (const element of root.querySelectorAll("[data-scripted]")) element.hidden = false;
part("suggestions").hidden = !start.suggest;
root.classList.add("live");
if (start.opened) open(start.opened);
else step(trail.length);
count(0);
showSaved();
sayHowLongAgo();
setInterval(sayHowLongAgo, 10000);
setInterval(lineSoon, 30000);
outbox.flush();
