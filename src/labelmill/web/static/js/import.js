// A file that is dropped or chosen is sent at once, with its progress. Without this the form has a button.

const form = document.querySelector("[data-drop]");

function send(file) {
  const bar = form.querySelector("progress");
  const button = form.querySelector("button");
  const request = new XMLHttpRequest();
  const body = new FormData();
  body.append("file", file, file.name);
  request.upload.addEventListener("progress", (part) => { if (part.lengthComputable) bar.value = part.loaded / part.total; });
  request.addEventListener("load", () => {
    const went = new URL(request.responseURL);
    if (request.status < 400 && went.searchParams.has("upload")) {
      location.assign(went);
      return;
    }
    // The server's page with the reason.
    document.open();
    document.write(request.responseText);
    document.close();
  });
  request.addEventListener("error", () => { bar.hidden = true; button.disabled = false; });
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "text/html");
  request.send(body);
  bar.hidden = false;
  button.disabled = true;
}

if (form) {
  const input = form.querySelector("input[type=file]");
  form.querySelector("[data-drop-words]").hidden = false;
  input.addEventListener("change", () => { if (input.files.length === 1) send(input.files[0]); });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (input.files.length === 1) send(input.files[0]);
  });
  // The whole page takes the file: a drop beside the box would make the browser leave.
  document.addEventListener("dragover", (event) => { event.preventDefault(); form.classList.add("dropping"); });
  document.addEventListener("dragleave", (event) => { if (event.relatedTarget === null) form.classList.remove("dropping"); });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    if (file) send(file);
  });
}

// What is done with labels is asked only where a column has some.
const mapping = document.querySelector("[data-mapping]");
const use = mapping?.querySelector("[data-label-use]");
const roles = mapping ? [...mapping.querySelectorAll("[data-role]")] : [];
if (use && roles.length > 0) {
  const show = () => { use.hidden = !roles.some((role) => role.value === "label"); };
  for (const role of roles) role.addEventListener("change", show);
  show();
}

// The command comes anew with each change; its button appears as on every page.
document.addEventListener("htmx:afterSwap", () => {
  for (const button of document.querySelectorAll("[data-command] [data-copy]")) button.hidden = navigator.clipboard === undefined;
});
