// Small conveniences of every page; each page works without them.

const copyable = navigator.clipboard !== undefined;

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !copyable;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) {
    await navigator.clipboard.writeText(button.parentElement.querySelector("pre").textContent);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
    return;
  }
  const row = event.target.closest("tr[data-href]");
  if (row && !event.target.closest("a, button, input, label") && getSelection().isCollapsed) {
    location.assign(row.dataset.href);
  }
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !confirm(question)) {
    event.preventDefault();
  }
});

// Times come in UTC; readers think in their own zone. UTC stays on hover.
export function localTimes(root) {
  const format = new Intl.DateTimeFormat(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
  for (const element of root.querySelectorAll("time[datetime]")) {
    element.textContent = format.format(new Date(element.dateTime));
  }
}

localTimes(document);
document.addEventListener("htmx:afterSwap", () => localTimes(document));
