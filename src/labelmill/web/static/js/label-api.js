// The calls of the label page. What goes wrong is thrown as {status, problem}; without a server as an error without a status.

const PATIENCE = 20000;

// Whose page this is: another tab may have signed somebody else in, and then nothing of it may be taken for theirs.
let owner = "";

async function ask(method, path, body) {
  const options = { method, headers: { Accept: "application/json", "X-Labelmill-Annotator": owner }, signal: AbortSignal.timeout(PATIENCE) };
  if (body !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  const text = await answer.text();
  let value = null;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    // A proxy's page instead of an answer of ours.
  }
  const isOurs = answer.ok && (value !== null || !text);
  if (!isOurs) throw Object.assign(new Error(value?.detail ?? answer.statusText), { status: answer.ok ? 502 : answer.status, problem: value });
  return value;
}

export class Api {
  constructor({ dataset, kind, annotator }) {
    owner = annotator;
    this.root = `/v1/datasets/${dataset}`;
    this.kind = kind;
  }

  record(one) {
    const image = this.kind === "image" ? `${this.root}/records/${one.id}/image` : null;
    const content = typeof one.content === "string" ? one.content : JSON.stringify(one.content);
    return { ...one, content, image };
  }

  async next(count, held) {
    const answer = await ask("POST", `${this.root}/next`, { count, held });
    return { state: answer.state, retry: answer.retry_seconds, records: answer.records.map((one) => this.record(one)) };
  }

  // Entries of one kind, in their order; what became of each.
  async send(entries) {
    const [{ kind }] = entries;
    if (kind === "answer") {
      const answers = entries.map(({ record_id, label_ids, key, shown_at }) => ({ record_id, label_ids, key, shown_at }));
      const { items } = await ask("POST", `${this.root}/answers`, { answers });
      return items;
    }
    for (const { record_id, key } of entries) {
      if (kind === "skip") await ask("POST", `${this.root}/skip`, { record_id });
      else await ask("POST", `${this.root}/withdraw`, { record_id, key });
    }
    return entries.map(() => ({}));
  }

  async find(text, limit) {
    const answer = await ask("GET", `${this.root}/records?${new URLSearchParams({ text, limit })}`);
    return answer.items.map((one) => this.record(one));
  }

  // How far the dataset is, as the server draws it; null without an answer.
  async line() {
    try {
      const answer = await fetch(`${location.pathname}/line`, { signal: AbortSignal.timeout(PATIENCE) });
      if (!answer.ok) return null;
      return new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("[data-part=line]");
    } catch {
      return null;
    }
  }

  // The record with the answer that somebody has given it; who has not answered is told nothing of it.
  async answered(record, annotator) {
    try {
      const { items } = await ask("GET", `${this.root}/records/${record.id}/history`);
      const newest = items.findLast((each) => each.annotator_id === annotator);
      return { ...record, answer: newest && !newest.is_withdrawal ? newest.label_ids : null };
    } catch {
      return record;
    }
  }

  // As the page goes: nobody waits for an answer.
  release(records) {
    if (records.length) fetch(`${this.root}/release`, { method: "POST", keepalive: true, headers: { "X-Labelmill-Annotator": owner, "Content-Type": "application/json" }, body: JSON.stringify({ record_ids: records }) }).catch(() => {});
  }
}
