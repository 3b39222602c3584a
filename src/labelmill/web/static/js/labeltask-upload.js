// Shows how far an upload is. Without this the form sends the file by itself.

const form = document.querySelector("[data-upload]");

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const bar = form.querySelector("progress");
  const button = form.querySelector("button");
  const request = new XMLHttpRequest();
  request.upload.addEventListener("progress", (part) => { if (part.lengthComputable) bar.value = part.loaded / part.total; });
  request.addEventListener("load", () => {
    const went = new URL(request.responseURL);
    if (request.status < 400 && went.searchParams.has("path")) {
      location.assign(went);
      return;
    }
    // The server's page with the reason beside the field.
    document.documentElement.innerHTML = new DOMParser().parseFromString(request.responseText, "text/html").documentElement.innerHTML;
  });
  request.addEventListener("error", () => { bar.hidden = true; button.disabled = false; });
  request.open("POST", form.action);
  request.setRequestHeader("Accept", "text/html");
  request.send(new FormData(form));
  bar.hidden = false;
  button.disabled = true;
});
