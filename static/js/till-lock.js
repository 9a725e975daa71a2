// A till that nobody touches locks itself; what was on the screen is not shown by going back, nor in another tab.
"use strict";

(() => {
  const CHECK_MS = 5_000;
  const WARNING_MS = 60_000;
  const ASK_AFTER_MS = [0, 1_000, 3_000, 10_000];
  const idleMs = Number(document.querySelector("[data-idle-seconds]")?.dataset.idleSeconds) * 1000;
  const form = document.getElementById("lock");
  if (!idleMs || !form) return;

  const soon = document.querySelector("[data-locks-soon]");
  let touchedHere = Date.now();
  let told = touchedHere;
  let over = false;

  // Every tab of the site writes it down (page.js at the desk): one that is in use keeps the others open.
  const touchedAt = () => {
    try {
      const anywhere = Number(localStorage.getItem("touched-at"));
      return Math.max(touchedHere, anywhere <= Date.now() ? anywhere : 0);
    } catch {
      return touchedHere;
    }
  };

  // While somebody types a long entry no page is opened: the server hears of it now and then.
  const stay = () => {
    if (over || Date.now() - touchedAt() >= idleMs) return look();
    touchedHere = Date.now();
    try {
      localStorage.setItem("touched-at", touchedHere);
    } catch {
      // Then each tab stands for itself.
    }
    soon.hidden = true;
    if (touchedHere - told < WARNING_MS / 2) return;
    told = touchedHere;
    fetch(form.dataset.here, { cache: "no-store" }).catch(() => {});
  };

  const look = () => {
    const left = idleMs - (Date.now() - touchedAt());
    soon.hidden = left > Math.min(WARNING_MS, idleMs / 2);
    if (left > 0 || over) return;
    over = true;
    tellOthers();
    form.submit();
  };

  const isLocked = async () => {
    const request = { cache: "no-store", headers: { "X-Refresh": "1" } };
    return Boolean((await fetch(form.dataset.here, request).catch(() => null))?.redirected);
  };

  // Locking one tab locks them all. The others hear of it when the button is pressed, so they ask until it is done.
  const tellOthers = () => {
    try {
      localStorage.setItem("locked-at", Date.now());
    } catch {
      // Then each tab stands for itself.
    }
  };
  form.addEventListener("submit", tellOthers);
  window.addEventListener("storage", (event) => {
    if (event.key !== "locked-at" || over) return;
    for (const wait of ASK_AFTER_MS) {
      setTimeout(async () => {
        if (over || !(await isLocked())) return;
        over = true;
        location.replace(form.action);
      }, wait);
    }
  });

  for (const kind of ["keydown", "pointerdown", "input"]) document.addEventListener(kind, stay, { passive: true });
  setInterval(look, CHECK_MS);
  document.addEventListener("visibilitychange", look);

  window.addEventListener("pageshow", async (event) => {
    const [entry] = performance.getEntriesByType("navigation");
    if (!event.persisted && entry?.type !== "back_forward") return;
    if (await isLocked()) location.reload();
  });
})();
