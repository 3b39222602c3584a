// Draws records and states of the label page. What a record looks like is the same as in the server's template.

const FOLD = 280;

export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

function element(tag, attributes = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...inside);
  return made;
}

function fields(content) {
  const list = element("dl", { class: "record-fields" });
  for (const [name, value] of Object.entries(JSON.parse(content))) {
    const text = value === null ? "–" : typeof value === "string" ? value : JSON.stringify(value);
    const shown = element("dd", { dir: "auto" });
    if (text.length > FOLD) {
      shown.append(element("details", {}, element("summary", {}, `${text.slice(0, 120)}…`), element("p", {}, text)));
    } else {
      shown.append(text);
    }
    list.append(element("div", {}, element("dt", { dir: "auto" }, name), shown));
  }
  return list;
}

// An image that is loaded and decoded before its turn is painted at once.
export class Pictures {
  constructor() {
    this.known = new Map();
  }

  prepare(record) {
    if (!record.image || this.known.has(record.id)) return;
    const image = element("img", { alt: "", class: "record-image" });
    image.src = record.image;
    image.decode().catch(() => image.classList.add("broken"));
    this.known.set(record.id, image);
    if (this.known.size > 60) this.known.delete(this.known.keys().next().value);
  }

  of(record) {
    this.prepare(record);
    return this.known.get(record.id);
  }
}

export function drawRecord(frame, record, kind, pictures, words) {
  const inside = [];
  if (kind === "image") {
    const image = pictures.of(record);
    image.alt = fill(words.image, { id: record.given_id ?? record.id });
    inside.push(image);
  } else if (kind === "tabular") {
    inside.push(fields(record.content));
  } else {
    inside.push(element("p", { class: "record-text", dir: "auto" }, record.content));
  }
  frame.replaceChildren(...inside);
  frame.scrollTop = 0;
  frame.dataset.record = record.id;
}

export function drawButtons(buttons, { chosen, suggestion, suggests, keys, words }) {
  for (const button of buttons) {
    const id = Number(button.dataset.label);
    const mark = button.querySelector("[data-suggestion]");
    const isSuggested = suggests && suggestion?.label_id === id;
    const box = button.querySelector("input");
    if (box) box.checked = chosen.includes(id);
    else button.setAttribute("aria-pressed", String(chosen.includes(id)));
    mark.hidden = !isSuggested;
    mark.textContent = isSuggested ? `${Math.floor(suggestion.confidence * 100)} %` : "";
    mark.title = isSuggested ? words.suggested : "";
    const key = keys.ofLabel(id);
    const printed = button.querySelector("kbd");
    printed.textContent = key.toUpperCase();
    printed.hidden = !key;
  }
}

export function drawSaved(place, outbox, words) {
  const count = outbox.count;
  const state = count === 0 ? "saved" : typeof outbox.state === "string" && outbox.state !== "idle" && outbox.state !== "sending" ? outbox.state : "saving";
  place.dataset.saved = state;
  place.querySelector("[data-words]").textContent = fill(words[state], { count });
}

// Shows a thing for as long as it takes to read; screen readers hear it.
export function tell(place, text, { bad = false } = {}) {
  const note = element("p", { class: bad ? "toast bad" : "toast" }, text);
  place.replaceChildren(note);
  clearTimeout(place.timer);
  place.timer = setTimeout(() => note.remove(), bad ? 9000 : 4000);
}

export { element };
