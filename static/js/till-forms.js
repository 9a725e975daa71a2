// A form of the till is sent only when the site answers; else it stays as it is and says so.
"use strict";

(() => {
  const PATIENCE_MS = 4_000;

  const reachable = async (address) => {
    try {
      const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) });
      return answer.ok;
    } catch {
      return false;
    }
  };

  const keep = (form) => {
    const notice = form.querySelector("[data-keep-notice]");
    const address = form.dataset.keep;
    let busy = false;

    const tell = (lost) => {
      notice.hidden = !lost;
      if (lost) notice.scrollIntoView({ block: "nearest" });
    };

    form.addEventListener("submit", async (event) => {
      if (event.submitter?.name) return;
      event.preventDefault();
      if (busy) return;
      busy = true;
      for (const button of form.querySelectorAll("button[type=submit]")) button.setAttribute("aria-busy", "true");
      if (await reachable(address)) {
        tell(false);
        form.submit();
        return;
      }
      release();
      tell(true);
    });

    const release = () => {
      busy = false;
      for (const button of form.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
    };
    window.addEventListener("pageshow", release);
    window.addEventListener("online", () => tell(false));
  };

  for (const form of document.querySelectorAll("form[data-keep]")) keep(form);

  // Not later, when the page is drawn: a scanner may type at once.
  if (!document.querySelector("[data-error-summary]")) document.querySelector("input[autofocus]")?.focus();
})();
