// What was done and is not yet known to be stored. Each entry is an item of its own in local storage, so that tabs do not overwrite
// each other; it is dropped when the server has answered it. Its key makes a repetition harmless.

const BATCH = 20;
const SHORTEST = 1000;
const LONGEST = 30000;

export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const isArchived = (error) => error.status === 409 && error.problem?.where === "dataset";

// Local storage where there is one, else memory: then leaving the page loses what is not sent, and the warning says so.
class Store {
  constructor(prefix) {
    this.prefix = prefix;
    this.memory = new Map();
  }

  names() {
    const found = [...this.memory.keys()];
    try {
      for (let index = 0; index < localStorage.length; index += 1) found.push(localStorage.key(index));
    } catch {
      // No storage here.
    }
    return [...new Set(found)].filter((name) => name.startsWith(this.prefix)).sort();
  }

  get(name) {
    if (this.memory.has(name)) return this.memory.get(name);
    try {
      return JSON.parse(localStorage.getItem(name));
    } catch {
      return null;
    }
  }

  put(name, value) {
    try {
      localStorage.setItem(name, JSON.stringify(value));
      this.memory.delete(name);
    } catch {
      this.memory.set(name, value);
    }
  }

  drop(name) {
    this.memory.delete(name);
    try {
      localStorage.removeItem(name);
    } catch {
      // It was in memory only.
    }
  }
}

export class Outbox {
  // `send(entries)` resolves to one outcome for each ({} or {problem}), or throws {status} or a network error.
  constructor(place, { send, changed, refused }) {
    this.waiting = new Store(`${place}/`);
    this.place = place;
    this.send = send;
    this.changed = changed;
    this.refused = refused;
    this.state = "idle";
    this.delay = SHORTEST;
    this.timer = null;
    this.running = null;
    addEventListener("online", () => this.flush());
    addEventListener("focus", () => this.state !== "idle" && this.flush());
    addEventListener("storage", (event) => event.key?.startsWith(this.waiting.prefix) && this.changed());
  }

  get entries() {
    return this.waiting.names().map((name) => ({ ...this.waiting.get(name), name })).filter((entry) => entry.key);
  }

  get count() {
    return this.waiting.names().length;
  }

  add(entry) {
    const last = Number.parseInt(this.waiting.names().at(-1)?.slice(this.waiting.prefix.length) ?? "0", 10);
    const place = String(Math.max(Date.now() * 1000, last + 1)).padStart(18, "0");
    // Another tab may add one in the same moment: the key keeps the two apart.
    const key = newKey();
    this.waiting.put(`${this.waiting.prefix}${place}-${key}`, { key, tried: false, ...entry });
    this.changed();
    this.flush();
  }

  // Takes back the newest entry on a record that was never sent; returns whether there was one.
  takeBack(recordId) {
    const entry = this.entries.findLast((each) => each.record_id === recordId);
    if (!entry || entry.tried) return false;
    this.waiting.drop(entry.name);
    this.changed();
    return true;
  }

  flush() {
    clearTimeout(this.timer);
    this.again = true;
    this.running ??= this.locked().finally(() => { this.running = null; });
    return this.running;
  }

  async locked() {
    while (this.again && this.count) {
      this.again = false;
      // Of several tabs one sends. Without TLS browsers have no locks: then the keys alone keep answers from counting twice.
      if (navigator.locks) await navigator.locks.request(this.place, () => this.sendAll());
      else await this.sendAll();
    }
    this.changed();
  }

  async sendAll() {
    let single = false;
    for (;;) {
      const all = this.entries;
      if (!all.length) {
        this.enter("idle");
        return;
      }
      const other = all.findIndex((entry) => entry.kind !== all[0].kind);
      const batch = all.slice(0, single ? 1 : Math.min(BATCH, other < 0 ? all.length : other));
      for (const { name, ...entry } of batch) this.waiting.put(name, { ...entry, tried: true });
      try {
        const outcomes = await this.send(batch);
        batch.forEach((entry, index) => this.settle(entry, outcomes[index]?.problem));
        this.enter("sending");
      } catch (error) {
        // A record that is not there is one entry's fault; a dataset that is not there is a door that was shut.
        // So is one that was archived: its manager can open it again.
        const isAtFault = ([409, 413, 422].includes(error.status) && !isArchived(error)) || (error.status === 404 && error.problem?.where === "record");
        if (isAtFault) {
          // One of them is at fault: alone, it is refused alone.
          if (batch.length === 1) this.settle(batch[0], error.problem);
          single = true;
          continue;
        }
        this.pause(error);
        return;
      }
    }
  }

  settle(entry, problem) {
    this.waiting.drop(entry.name);
    if (problem) this.refused(entry, problem);
    this.changed();
  }

  enter(state) {
    this.state = state;
    this.delay = SHORTEST;
    this.changed();
  }

  pause(error) {
    const known = { 401: "signed-out", 403: "forbidden", 404: "forbidden", 409: "archived" };
    this.state = known[error.status] ?? (error.status ? "busy" : "offline");
    this.timer = setTimeout(() => this.flush(), this.delay);
    this.delay = Math.min(LONGEST, this.delay * 2);
    this.changed();
  }
}
