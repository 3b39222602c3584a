// The command and the call follow the form while they are shown. Without this a button shows them.

const details = document.querySelector("[data-commands]");
const form = document.querySelector("#label-task");
const button = details.querySelector("button[hx-post]");

function refresh() {
  if (details.open) button.click();
}

details.addEventListener("toggle", refresh);
form.addEventListener("change", refresh);
