// Every page works without this file; it only spares people a wait, a click or a double submit.
"use strict";

(() => {
  const REFRESH_MS = 60_000;
  const SOON_MS = 5_000;
  const FALLBACK_MS = 15_000;
  const TOUCH_MS = 1_000;

  // A till in another tab does not lock while somebody works here; a page of the till tells of itself (till-lock.js).
  if (!document.getElementById("lock")) {
    let told = 0;
    const tell = () => {
      if (Date.now() - told < TOUCH_MS) return;
      told = Date.now();
      try {
        localStorage.setItem("touched-at", told);
      } catch {
        // A browser that keeps nothing.
      }
    };
    for (const kind of ["keydown", "pointerdown"]) document.addEventListener(kind, tell, { passive: true });
  }

  // A form is sent once; the button comes back when the page is shown again or nothing came of it.
  const release = (form) => {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button[aria-busy]")) {
      button.disabled = false;
      button.removeAttribute("aria-busy");
    }
  };

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    if (form.dataset.sent || navigator.onLine === false) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "yes";
    setTimeout(() => {
      for (const button of form.querySelectorAll("button:not([type=button])")) {
        button.disabled = true;
        button.setAttribute("aria-busy", "true");
      }
    });
    setTimeout(release, FALLBACK_MS, form);
  });

  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sent]")) release(form);
  });

  // What a failed form has to say comes first.
  document.querySelector("[data-error-summary]")?.focus();

  // Menus close with Esc and with a click beside them.
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll("details.menu[open]")) {
      if (!menu.contains(event.target)) menu.open = false;
    }
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && document.activeElement?.closest("details.menu[open]");
    if (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
      event.preventDefault();
    }
  });

  // What stands in the fields of a part stays in those of its fresh copy.
  const keepTyped = (part, newer) => {
    for (const field of part.querySelectorAll("input[name], select[name], textarea[name]")) {
      const isChoice = field.type === "checkbox" || field.type === "radio";
      const named = newer.querySelectorAll(`[name="${CSS.escape(field.name)}"]`);
      const same = [...named].find((other) => !isChoice || other.value === field.value);
      if (same && isChoice) same.checked = field.checked;
      else if (same && field.type !== "hidden") same.value = field.value;
      const folded = same?.closest("details");
      if (folded) folded.open = field.closest("details")?.open ?? false;
    }
  };

  // Parts that tell the time are fetched again once a minute, those that tell of work under way every few seconds,
  // while the page is looked at; parts that tell what stands in the books when the page is shown again by going back.
  // A page that answered a form says where it can be asked for again: its own address only takes that form.
  const refresh = async (selector) => {
    const parts = [...document.querySelectorAll(selector)];
    if (!parts.length || document.hidden) return;
    try {
      const answer = await fetch(document.querySelector("[data-fresh-from]")?.dataset.freshFrom ?? location.href, {
        headers: { "X-Refresh": "1" },
        credentials: "same-origin",
        cache: "no-store",
      });
      if (!answer.ok || answer.redirected) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of parts) {
        const newer = fresh.getElementById(part.id);
        if (!newer || part.contains(document.activeElement)) continue;
        if ("fresh" in part.dataset) {
          keepTyped(part, newer);
          part.replaceChildren(...document.adoptNode(newer).childNodes);
        } else {
          part.replaceWith(document.adoptNode(newer));
        }
      }
      document.dispatchEvent(new Event("refreshed"));
    } catch {
      // No connection: the next minute tries again.
    }
  };
  window.addEventListener("pageshow", (event) => {
    const [entry] = performance.getEntriesByType("navigation");
    if (event.persisted || entry?.type === "back_forward") refresh("[data-fresh][id], [data-live][id]");
  });
  setInterval(refresh, REFRESH_MS, "[data-live][id]");
  setInterval(refresh, SOON_MS, '[data-live="soon"][id]');
})();
