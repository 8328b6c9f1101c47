// Keeps an open page of a site up to date: swaps parts of it by parts that the
// server made, and says when the connection is lost. Without this script the
// page is the same after a reload.
"use strict";

(() => {
  const root = document.querySelector("[data-events]");
  if (!root || !window.EventSource) return;
  const link = document.getElementById("link");
  const silence = 40_000; // ms: the server is heard every 15 s
  let source = null;
  let timer = 0;
  let shown = ""; // the version of the figures that were swapped in last

  const say = (state) => {
    if (link.dataset.state === state) return;
    link.dataset.state = state;
    link.textContent = link.dataset[state];
  };

  const heard = () => {
    say("live");
    clearTimeout(timer);
    timer = setTimeout(again, silence);
  };

  const swap = (event) => {
    heard();
    if (event.lastEventId) shown = event.lastEventId;
    const part = document.getElementById(event.type);
    if (!part || part.innerHTML.trim() === event.data.trim()) return;
    const open = Array.from(part.querySelectorAll("details[open]"), (d) => d.id);
    const focus = part.contains(document.activeElement) ? document.activeElement.id : "";
    part.innerHTML = event.data;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    if (focus) document.getElementById(focus)?.focus();
  };

  const stop = () => {
    clearTimeout(timer);
    source?.close();
    source = null;
  };

  const start = () => {
    stop();
    const address = new URL(root.dataset.events, location.href);
    if (shown) address.searchParams.set("shown", shown);
    source = new EventSource(address);
    for (const part of ["life", "figures", "rest", "service", "alarm"]) source.addEventListener(part, swap);
    source.addEventListener("beat", heard);
    source.onerror = () => {
      say("paused");
      if (source.readyState === EventSource.CLOSED) {
        clearTimeout(timer);
        timer = setTimeout(start, 5_000);
      }
    };
    timer = setTimeout(again, silence);
  };

  const again = () => {
    say("paused");
    start();
  };

  // A browser opens few connections to one host: a page that nobody sees gives
  // its own back.
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  window.addEventListener("pagehide", stop);
  start();
})();
