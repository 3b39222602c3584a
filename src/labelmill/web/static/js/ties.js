// Ties one after the other: the key of a label settles the marked record, up and down mark another one.

const ties = [...document.querySelectorAll("[data-tie]")];
const current = () => ties.find((tie) => tie.hasAttribute("aria-current"));

function mark(tie) {
  if (!tie) return;
  current()?.removeAttribute("aria-current");
  tie.setAttribute("aria-current", "true");
  tie.scrollIntoView({ block: "nearest" });
}

for (const tie of ties) tie.addEventListener("focusin", () => mark(tie));

let sent = false;
document.addEventListener("submit", (event) => {
  if (sent) event.preventDefault();
  else sent = event.target.matches(".settle, [data-undo]");
});

document.addEventListener("keydown", (event) => {
  if (event.target.closest("input, select, textarea") || event.altKey || event.repeat) return;
  const key = event.key.toLowerCase();
  const undo = document.querySelector("form[data-undo] button");
  if (undo && ((key === "u" && !event.ctrlKey && !event.metaKey) || ((event.ctrlKey || event.metaKey) && key === "z"))) {
    event.preventDefault();
    undo.click();
    return;
  }
  if (event.ctrlKey || event.metaKey) return;
  if (key === "arrowdown" || key === "arrowup") {
    const next = ties[ties.indexOf(current()) + (key === "arrowdown" ? 1 : -1)];
    if (next) {
      event.preventDefault();
      next.focus();
    }
    return;
  }
  const button = [...(current()?.querySelectorAll("button[name=label]") ?? [])].find((each) => each.dataset.key === key);
  button?.click();
});
