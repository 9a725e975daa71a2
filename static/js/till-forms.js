// A form of the till is sent until the site has answered it. What it holds stays in the form, and an entry of a visit
// also in the browser, so that it goes out later from any page: always with its own one-time key, so that it counts once.
"use strict";

(() => {
  const PATIENCE_MS = 10_000;
  const PAUSES_MS = [2_000, 4_000, 8_000, 15_000, 30_000];
  const STORE = "till-entries";
  const OLDEST_SENT_MS = 24 * 60 * 60 * 1_000;
  const NOT_KEPT = new Set(["csrfmiddlewaretoken", "note"]);

  const place = document.querySelector("[data-till-person]")?.dataset ?? {};
  const band = document.querySelector("[data-waiting]");

  const { read, write } = tillStore(() => localStorage, STORE);
  const kept = () => read() ?? [];
  const forget = (key) => write(kept().filter((entry) => entry.key !== key));
  const keep = (entry) => write([...kept().filter((other) => other.key !== entry.key), entry]);

  const isTooOld = (entry) => Date.now() - entry.at >= OLDEST_SENT_MS;
  const token = () => document.querySelector("input[name=csrfmiddlewaretoken]")?.value ?? "";
  const keyOf = (form) => form.elements.idempotency_key?.value ?? "";

  // "saved" with the address to go to, "refused" where a person must look, "locked", or "lost" where nobody answered.
  // The site is told how long ago it was typed, not when: the clock of a till may be wrong.
  const send = async (address, fields, at, stopper = new AbortController()) => {
    const age = Math.max(0, Math.round((Date.now() - at) / 1_000));
    const body = new URLSearchParams(fields);
    body.set("csrfmiddlewaretoken", token());
    const patience = setTimeout(() => stopper.abort(), PATIENCE_MS);
    try {
      const answer = await fetch(address, {
        method: "POST",
        body,
        cache: "no-store",
        headers: { "X-Till-Entry": "1", "X-Till-Age": `${age}` },
        signal: stopper.signal,
      });
      if (answer.redirected) return { state: "locked", to: answer.url };
      if (answer.status >= 500) return { state: "lost" };
      if (!answer.headers.get("Content-Type")?.startsWith("application/json")) return { state: "refused" };
      return { state: "saved", to: (await answer.json()).to };
    } catch {
      return { state: "lost" };
    } finally {
      clearTimeout(patience);
    }
  };

  class Sender {
    constructor(form) {
      this.form = form;
      this.notice = form.querySelector("[data-keep-notice]");
      this.busy = false;
      this.tries = 0;
      this.timer = 0;
      this.typedAt = 0;
      this.stopped = false;
      this.stopper = null; // ends the attempt under way
      forget(keyOf(form)); // it stands in the form again
      form.addEventListener("submit", (event) => this.submitted(event));
      this.notice.querySelector("[data-keep-stop]").addEventListener("click", () => this.stop());
      window.addEventListener("pageshow", () => this.release());
      window.addEventListener("online", () => this.waits && this.attempt());
    }

    get waits() {
      return !this.notice.hidden;
    }

    submitted(event) {
      if (event.submitter?.name) return;
      event.preventDefault();
      this.stopped = false;
      this.attempt();
    }

    async attempt() {
      if (this.busy) return;
      clearTimeout(this.timer);
      this.busy = true;
      for (const button of this.form.querySelectorAll("button[type=submit]")) button.setAttribute("aria-busy", "true");
      const fields = [...new FormData(this.form)];
      this.typedAt ||= Date.now();
      this.form.dataset.tried = "yes";
      this.keep(fields);
      this.stopper = new AbortController();
      const answer = await send(this.form.action, fields, this.typedAt, this.stopper);
      if (answer.state === "saved") {
        forget(keyOf(this.form));
        location.assign(answer.to);
      } else if (answer.state === "locked") {
        location.assign(answer.to);
      } else if (answer.state === "refused" && !this.stopped) {
        forget(keyOf(this.form));
        this.form.submit();
      } else {
        this.release();
        if (!this.stopped) this.wait();
      }
    }

    keep(fields) {
      if (!("keepEntry" in this.form.dataset)) return;
      keep({
        key: keyOf(this.form),
        action: new URL(this.form.action).pathname,
        amount: this.form.elements.amount?.value ?? "",
        fields: fields.filter(([name]) => !NOT_KEPT.has(name)),
        person: place.tillPerson,
        store: place.tillStore,
        at: this.typedAt,
      });
    }

    wait() {
      const first = !this.waits;
      this.notice.hidden = false;
      if (first) this.notice.scrollIntoView({ block: "nearest" });
      this.timer = setTimeout(() => this.attempt(), PAUSES_MS[Math.min(this.tries, PAUSES_MS.length - 1)]);
      this.tries += 1;
    }

    stop() {
      this.stopped = true;
      this.stopper?.abort();
      clearTimeout(this.timer);
      this.tries = 0;
      this.typedAt = 0;
      delete this.form.dataset.tried;
      this.notice.hidden = true;
      forget(keyOf(this.form));
    }

    release() {
      this.busy = false;
      for (const button of this.form.querySelectorAll("button[aria-busy]")) button.removeAttribute("aria-busy");
    }
  }

  // Entries that another page left behind: sent from here by whoever typed them, in the store they were typed in.
  class Waiting {
    constructor(forms) {
      this.own = new Set(forms.map(keyOf));
      this.tries = 0;
      this.timer = 0;
      window.addEventListener("online", () => this.work());
      band.querySelector("[data-waiting-now]").addEventListener("click", () => this.work());
      band.querySelector("[data-waiting-drop]").addEventListener("click", () => {
        for (const entry of this.entries()) forget(entry.key);
        this.show("");
      });
      this.work();
    }

    entries() {
      return kept().filter((entry) => !this.own.has(entry.key));
    }

    async work() {
      clearTimeout(this.timer);
      const run = () => this.sendAll();
      if (navigator.locks) await navigator.locks.request(STORE, { ifAvailable: true }, (lock) => (lock ? run() : null));
      else await run();
    }

    async sendAll() {
      let state = "";
      for (const entry of this.entries()) {
        if (isTooOld(entry)) {
          state = "refused";
          this.open(entry);
          continue;
        }
        if (entry.person !== place.tillPerson || entry.store !== place.tillStore) {
          state ||= "other";
          continue;
        }
        const answer = await send(entry.action, entry.fields, entry.at);
        if (answer.state === "saved") {
          forget(entry.key);
          this.saved(entry, answer.to);
        } else if (answer.state === "refused") {
          state = "refused";
          this.open(entry);
        } else {
          state = "lost";
          this.timer = setTimeout(() => this.work(), PAUSES_MS[Math.min(this.tries, PAUSES_MS.length - 1)]);
          this.tries += 1;
          break;
        }
      }
      this.show(state);
    }

    show(state) {
      const left = this.entries();
      band.querySelector("[data-waiting-amounts]").textContent = left.map((entry) => entry.amount).join(" · ");
      for (const part of band.querySelectorAll("[data-waiting-when]")) part.hidden = part.dataset.waitingWhen !== state;
      band.querySelector("[data-waiting-some]").hidden = !left.length;
      band.hidden = !left.length && !band.querySelector("[data-waiting-saved] a");
    }

    saved(entry, to) {
      const link = document.createElement("a");
      link.href = to;
      link.textContent = entry.amount;
      const list = band.querySelector("[data-waiting-saved]");
      list.hidden = false;
      list.querySelector("span").append(" ", link);
    }

    open(entry) {
      const link = band.querySelector("[data-waiting-open]");
      link.href = entry.action.replace(/save\/$/, "");
      link.hidden = false;
    }
  }

  const forms = [...document.querySelectorAll("form[data-keep]")];
  for (const form of forms) new Sender(form);
  if (band && place.tillPerson && place.tillStore) new Waiting(forms);

  // Not later, when the page is drawn: a scanner may type at once.
  if (!document.querySelector("[data-error-summary]")) document.querySelector("input[autofocus]")?.focus();
})();
