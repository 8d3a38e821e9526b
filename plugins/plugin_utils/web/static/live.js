// Keeps a page as it is now: when the server says that something happened, the parts that show it are fetched again. Without it every page works the same.
"use strict";

const main = document.getElementById("main");
const place = main.dataset.live;

async function refresh() {
  const reply = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!reply.ok || reply.redirected) {
    return;
  }
  const now = new DOMParser().parseFromString(await reply.text(), "text/html");
  for (const part of document.querySelectorAll("[data-fresh]")) {
    const other = now.getElementById(part.id);
    if (other !== null && !part.contains(document.activeElement)) {
      part.replaceWith(document.importNode(other, true));
    }
  }
  const changed = document.getElementById("changed");
  if (changed !== null && now.getElementById(changed.dataset.same) === null) {
    changed.hidden = false;
  }
}

if (place !== undefined && "EventSource" in window) {
  const source = new EventSource(place);
  // At "open" as well: something may have happened since the page was made, or while the server was away.
  for (const kind of ["open", "message"]) {
    source.addEventListener(kind, () => {
      refresh().catch(() => undefined);
    });
  }
}
