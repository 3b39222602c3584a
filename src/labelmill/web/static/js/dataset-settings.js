// Small help on the settings page of a dataset: everything here can be done without it.

const form = document.querySelector("[data-labels]");

for (const button of document.querySelectorAll("[data-without-script]")) button.hidden = true;

// A choice that is sent as soon as it is made.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-send]")) event.target.form.requestSubmit();
});

document.addEventListener("click", (event) => {
  const asking = event.target.closest("[data-confirm-button]");
  if (asking && !confirm(asking.dataset.confirmButton)) event.preventDefault();
});

function number() {
  form.querySelectorAll("[data-place]").forEach((field, index) => { field.value = index + 1; });
}

function move(row, button) {
  const up = button.hasAttribute("data-up");
  const other = up ? row.previousElementSibling : row.nextElementSibling;
  if (!other?.hasAttribute("data-label-row")) return;
  if (up) other.before(row); else other.after(row);
  number();
  button.focus();
}

if (form) {
  for (const movers of form.querySelectorAll(".movers")) {
    movers.hidden = false;
    movers.parentElement.querySelector("[data-place]").type = "hidden";
  }
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-up], [data-down]");
    if (button) move(button.closest("tr"), button);
  });
}
