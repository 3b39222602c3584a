// Says a mark's figures at once under the pointer; without this the browser says them after a moment, and the table always does.

const tip = document.createElement("output");
tip.className = "tip";
tip.hidden = true;
document.body.append(tip);

for (const title of document.querySelectorAll("[data-tip] > title")) {
  title.remove();
}

function place(event) {
  const { width, height } = tip.getBoundingClientRect();
  const left = Math.min(event.clientX + 12, innerWidth - width - 8);
  const top = event.clientY - height - 12 < 8 ? event.clientY + 16 : event.clientY - height - 12;
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${top}px`;
}

document.addEventListener("pointerover", (event) => {
  const mark = event.target.closest("[data-tip]");
  tip.hidden = mark === null;
  if (mark === null) return;
  tip.textContent = mark.dataset.tip;
  place(event);
});
document.addEventListener("pointermove", (event) => { if (!tip.hidden) place(event); });
addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
