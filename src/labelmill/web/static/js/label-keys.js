// Which key does what on the label page, and what people changed about it. Kept in this browser.

// They move, leave or type, whatever page it is: nothing of ours may take them.
const RESERVED = new Set([
  "Escape", "Backspace", "Delete", "Tab", "Enter", " ", "Shift", "Control", "Alt", "Meta", "CapsLock", "Dead", "Process", "Unidentified",
  "ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End", "PageUp", "PageDown", "ContextMenu",
]);
const ACTIONS = { undo: "u", skip: "s", guidelines: "g", bulk: "b", suggestions: "p", search: "/", help: "?" };

export function isReserved(key) {
  return RESERVED.has(key) || /^F\d+$/.test(key) || key.length > 2;
}

// The same key with and without Shift, and under an input method that swallows letters.
export function keyOf(event) {
  if (event.key === "Process" || event.isComposing) return /^(?:Key|Digit)(.)$/.exec(event.code)?.[1].toLowerCase() ?? "";
  return event.key.length === 1 ? event.key.toLowerCase() : event.key;
}

export class Keys {
  constructor(place, labels) {
    this.place = place;
    this.labels = labels;
    this.changed = { labels: {}, actions: {} };
    try {
      this.changed = { ...this.changed, ...JSON.parse(localStorage.getItem(place) ?? "{}") };
    } catch {
      // Nothing that can be read was kept: the usual keys.
    }
    this.arrange();
  }

  arrange() {
    this.byKey = new Map();
    for (const [action, usual] of Object.entries(ACTIONS)) this.byKey.set(this.changed.actions[action] ?? usual, { action });
    for (const label of this.labels) {
      const key = this.wanted(label.id);
      if (key && !this.byKey.has(key)) this.byKey.set(key, { label: label.id });
    }
  }

  // The key that works for a label: one that an action of the page has is not its.
  ofLabel(id) {
    const key = this.wanted(id);
    return this.byKey.get(key)?.label === id ? key : "";
  }

  wanted(id) {
    return this.changed.labels[id] ?? this.labels.find((label) => label.id === id)?.shortcut.toLowerCase() ?? "";
  }

  ofAction(action) {
    return this.changed.actions[action] ?? ACTIONS[action];
  }

  meaning(key) {
    return this.byKey.get(key);
  }

  // Returns what has the key already, else null and the key is taken.
  set(kind, id, key) {
    const holder = this.byKey.get(key);
    if (holder && (kind === "label" ? holder.label !== id : holder.action !== id)) return holder;
    this.changed[kind === "label" ? "labels" : "actions"][id] = key;
    this.keep();
    return null;
  }

  reset() {
    this.changed = { labels: {}, actions: {} };
    this.keep();
  }

  keep() {
    try {
      localStorage.setItem(this.place, JSON.stringify(this.changed));
    } catch {
      // They hold until the page is left.
    }
    this.arrange();
  }
}
