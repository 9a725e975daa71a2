// A till that nobody touches locks itself; what was on the screen is not shown by going back.
"use strict";

(() => {
  const CHECK_MS = 5_000;
  const WARNING_MS = 60_000;
  const idleMs = Number(document.querySelector("[data-idle-seconds]")?.dataset.idleSeconds) * 1000;
  const form = document.getElementById("lock");
  if (!idleMs || !form) return;

  const soon = document.querySelector("[data-locks-soon]");
  let touched = Date.now();
  let told = Date.now();

  // While somebody types a long entry no page is opened: the server hears of it now and then.
  const stay = () => {
    if (Date.now() - touched >= idleMs) return look();
    touched = Date.now();
    soon.hidden = true;
    if (touched - told < WARNING_MS / 2) return;
    told = touched;
    fetch(form.dataset.here, { cache: "no-store" }).catch(() => {});
  };

  const look = () => {
    const left = idleMs - (Date.now() - touched);
    soon.hidden = left > Math.min(WARNING_MS, idleMs / 2);
    if (left <= 0) form.submit();
  };

  for (const kind of ["keydown", "pointerdown", "input"]) document.addEventListener(kind, stay, { passive: true });
  setInterval(look, CHECK_MS);
  document.addEventListener("visibilitychange", look);

  window.addEventListener("pageshow", async (event) => {
    const [entry] = performance.getEntriesByType("navigation");
    if (!event.persisted && entry?.type !== "back_forward") return;
    const answer = await fetch(form.dataset.here, { cache: "no-store", headers: { "X-Refresh": "1" } }).catch(() => null);
    if (answer?.redirected) location.reload();
  });
})();
