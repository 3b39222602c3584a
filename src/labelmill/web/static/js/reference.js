// Sends the calls of the API's page and shows their answers as they came.

const token = document.querySelector("input[name=token]");

function address(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  for (const input of form.querySelectorAll("[data-in]")) {
    if (input.dataset.in === "path") path = path.replace(`{${input.name}}`, encodeURIComponent(input.value));
    if (input.dataset.in === "query" && input.value) query.append(input.name, input.value);
  }
  return query.size ? `${path}?${query}` : path;
}

function options(form, signal) {
  const headers = { Accept: "application/json" };
  if (token.value) headers.Authorization = `Bearer ${token.value}`;
  for (const input of form.querySelectorAll("[data-in=header]")) {
    if (input.value) headers[input.name] = input.value;
  }
  const body = form.querySelector("[data-body]");
  if (body) headers["Content-Type"] = "application/json";
  return { method: form.dataset.method, headers, body: body ? body.value : undefined, signal };
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

async function read(response, form, put) {
  if (!("streams" in form.dataset)) {
    put(pretty(await response.text()));
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = "", part = await reader.read(); !part.done; part = await reader.read()) {
    text += part.value;
    put(text);
  }
}

async function send(form) {
  const output = form.querySelector("output");
  const status = output.querySelector("[data-status]");
  const stop = form.querySelector("[data-stop]");
  const control = new AbortController();
  const put = (text) => { output.querySelector("pre").textContent = text; };
  output.hidden = false;
  stop.hidden = !("streams" in form.dataset);
  stop.onclick = () => control.abort();
  const began = performance.now();
  status.textContent = "…";
  put("");
  try {
    const response = await fetch(address(form), options(form, control.signal));
    status.textContent = `${response.status} ${response.statusText} · ${Math.round(performance.now() - began)} ms`;
    await read(response, form, put);
  } catch (error) {
    if (error.name !== "AbortError") status.textContent = String(error);
  }
  stop.hidden = true;
}

for (const button of document.querySelectorAll("[data-needs-script]")) {
  button.disabled = false;
}

document.addEventListener("submit", (event) => {
  if (event.target.matches("[data-try]")) {
    event.preventDefault();
    send(event.target);
  }
});
