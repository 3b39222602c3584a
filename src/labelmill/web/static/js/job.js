// Shows a job's progress as it goes, from the server's event stream.

// Milliseconds.
const AGAIN = 3000;
const card = document.querySelector("[data-job][data-live]");

function figure(value) {
  if (value === null) return "\u2013";
  const small = Math.abs(value) < 10 && !Number.isInteger(value);
  const digits = small ? 1 : 0;
  return value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function duration(seconds) {
  if (seconds === null) return "\u2013";
  const whole = Math.round(seconds);
  if (whole < 60) return seconds > 0 && seconds < 10 ? `${seconds.toFixed(1)} s` : `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

function put(name, text) {
  for (const element of document.querySelectorAll(`[data-${name}]`)) {
    element.textContent = text;
  }
}

function show(job, began) {
  const { progress } = job;
  if (progress.total !== null && !card.querySelector("[data-total]")) location.reload();
  put("done", figure(progress.done));
  put("total", figure(progress.total));
  put("rate", figure(progress.rate));
  put("seconds", duration(progress.seconds));
  put("left", duration(progress.seconds_left));
  put("steps-done", figure(job.steps_done));
  put("steps-total", figure(job.steps_total));
  if (progress.share !== null) card.querySelector("progress").value = progress.share;
  // A new state changes buttons and steps too: the server draws them.
  if (job.finished_at !== null || job.state !== began) location.reload();
}

if (card) {
  const state = card.querySelector("[data-state]").className.match(/state-(\w+)/)[1];
  const live = card.querySelector("[data-live-note]");
  const lost = card.querySelector("[data-lost-note]");
  const listen = () => {
    const events = new EventSource(`/v1/jobs/${card.dataset.job}/events`);
    events.addEventListener("open", () => { live.hidden = false; lost.hidden = true; });
    events.addEventListener("error", () => {
      live.hidden = true;
      lost.hidden = false;
      // The browser asks again by itself after a broken connection, but never after an answer like 503.
      if (events.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN);
    });
    events.addEventListener("job", (event) => show(JSON.parse(event.data), state));
  };
  listen();
}
