// The find field as a combobox, the keypad, and keys that press buttons. Without it the till is links and forms.
"use strict";

(() => {
  const DEBOUNCE_MS = 150;
  const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028\u2029\ufeff]/g;

  class FindField {
    constructor(input) {
      this.input = input;
      this.box = document.getElementById(input.dataset.results);
      this.status = document.getElementById(input.dataset.status);
      this.address = input.dataset.find;
      this.answered = null; // the text that the list on screen belongs to
      this.opensOnAnswer = false;
      this.timer = 0;
      this.request = null;
      input.setAttribute("role", "combobox");
      input.setAttribute("aria-autocomplete", "list");
      input.setAttribute("aria-expanded", "false");
      input.addEventListener("input", () => this.typed());
      input.addEventListener("keydown", (event) => this.pressed(event));
      this.box.addEventListener("click", (event) => this.clicked(event));
      window.addEventListener("online", () => this.text && this.answered !== this.text && this.ask());
      if (this.list) {
        this.answered = this.text;
        this.upgrade();
      }
    }

    get text() {
      return this.input.value.replace(UNSEEN, "").trim();
    }

    get list() {
      return this.box.querySelector("#matches");
    }

    get options() {
      return [...this.box.querySelectorAll("[role=option]")];
    }

    get chosen() {
      return this.box.querySelector("[role=option][aria-selected=true]");
    }

    typed() {
      const clean = this.input.value.replace(UNSEEN, "");
      if (clean !== this.input.value) this.input.value = clean;
      this.opensOnAnswer = false;
      clearTimeout(this.timer);
      if (this.text) this.timer = setTimeout(() => this.ask(), DEBOUNCE_MS);
      else this.clear();
    }

    async ask() {
      clearTimeout(this.timer);
      const text = this.text;
      this.request?.abort();
      const request = (this.request = new AbortController());
      try {
        const address = new URL(this.address, location.href);
        address.searchParams.set("q", text);
        const answer = await fetch(address, { signal: request.signal, credentials: "same-origin" });
        if (answer.redirected) return location.reload();
        if (!answer.ok) throw new Error(String(answer.status));
        const html = await answer.text();
        if (request !== this.request || text !== this.text) return;
        this.box.innerHTML = html;
        this.answered = text;
        this.upgrade();
        if (this.opensOnAnswer) this.open();
      } catch (error) {
        if (error.name === "AbortError" || request !== this.request) return;
        this.opensOnAnswer = false;
        this.status.textContent = this.input.dataset.offline ?? "";
      }
    }

    // Links become options: focus stays in the field, and an option may hold nothing that takes it.
    upgrade() {
      const list = this.list;
      if (!list) {
        this.collapse();
        return;
      }
      list.setAttribute("role", "listbox");
      list.setAttribute("aria-label", this.input.labels[0]?.textContent.trim() ?? "");
      let number = 0;
      for (const item of list.querySelectorAll(":scope > li")) {
        const link = item.querySelector("a[href]");
        if (!link) {
          item.setAttribute("role", "presentation");
          continue;
        }
        item.setAttribute("role", "option");
        item.id = `match-${++number}`;
        item.dataset.href = link.getAttribute("href");
        const plain = document.createElement("span");
        plain.className = link.className;
        plain.append(...link.childNodes);
        link.replaceWith(plain);
      }
      this.input.setAttribute("aria-controls", "matches");
      this.input.setAttribute("aria-expanded", String(number > 0));
      this.status.textContent = list.dataset.status ?? "";
      this.choose(this.options.find((item) => !("extra" in item.dataset)) ?? null);
    }

    choose(option) {
      for (const item of this.options) item.setAttribute("aria-selected", String(item === option));
      if (option) {
        this.input.setAttribute("aria-activedescendant", option.id);
        option.scrollIntoView({ block: "nearest" });
      } else {
        this.input.removeAttribute("aria-activedescendant");
      }
    }

    pressed(event) {
      if (event.isComposing) return;
      const options = this.options;
      const at = options.indexOf(this.chosen);
      if (event.key === "ArrowDown" && options.length) this.choose(options[(at + 1) % options.length]);
      else if (event.key === "ArrowUp" && options.length) this.choose(options.at(at > 0 ? at - 1 : -1));
      else if (event.key === "Enter") this.enter();
      else if (event.key === "Escape" && (this.input.value || this.list)) this.clear();
      else return;
      event.preventDefault();
    }

    enter() {
      if (!this.text) return;
      if (this.answered === this.text) {
        this.open();
      } else {
        this.opensOnAnswer = true;
        this.ask();
      }
    }

    open() {
      const address = this.list?.dataset.open || this.chosen?.dataset.href;
      if (address) location.assign(address);
    }

    clicked(event) {
      const option = event.target.closest("[role=option]");
      if (option?.dataset.href) location.assign(option.dataset.href);
    }

    collapse() {
      this.input.setAttribute("aria-expanded", "false");
      this.input.removeAttribute("aria-activedescendant");
      this.input.removeAttribute("aria-controls");
    }

    clear() {
      clearTimeout(this.timer);
      this.request?.abort();
      this.request = null;
      this.opensOnAnswer = false;
      this.input.value = "";
      this.answered = null;
      this.box.replaceChildren();
      this.status.textContent = "";
      this.collapse();
      this.input.focus();
    }
  }

  const startKeypad = (pad) => {
    const field = document.getElementById(pad.dataset.keypad);
    if (!field) return;
    pad.hidden = false;
    pad.addEventListener("click", (event) => {
      const key = event.target.closest("button[data-key]")?.dataset.key;
      if (!key) return;
      const start = field.selectionStart ?? field.value.length;
      const end = field.selectionEnd ?? field.value.length;
      if (key !== "back") field.setRangeText(key, start, end, "end");
      else if (start !== end) field.setRangeText("", start, end, "end");
      else if (start > 0) field.setRangeText("", start - 1, start, "end");
      field.dispatchEvent(new Event("input", { bubbles: true }));
    });
    // Pressing a key of the pad leaves focus, and so the tablet's own keyboard, as they are.
    pad.addEventListener("pointerdown", (event) => event.preventDefault());
  };

  const tellConnection = () => {
    const online = navigator.onLine !== false;
    for (const part of document.querySelectorAll("[data-when-online]")) part.hidden = !online;
    for (const part of document.querySelectorAll("[data-when-offline]")) part.hidden = online;
  };

  // Every key has a button or a link that does the same; only F-keys and Esc, which no scanner types.
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
    if (!/^(F\d{1,2}|Escape)$/.test(event.key)) return;
    const target = document.querySelector(`[data-shortcut="${event.key}"]`);
    if (!target) return;
    event.preventDefault();
    target.click();
  });

  for (const input of document.querySelectorAll("input[data-find]")) new FindField(input);
  for (const pad of document.querySelectorAll("[data-keypad]")) startKeypad(pad);
  window.addEventListener("online", tellConnection);
  window.addEventListener("offline", tellConnection);
  tellConnection();
})();
